"""Where the shop's pages are."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

from apps.home.views import favicon

admin.site.site_header = admin.site.site_title = "Larkfield"

urlpatterns = [
    path("", include("apps.home.urls")),
    path("products/", include("apps.products.urls")),
    path("accounts/", include("apps.users.urls")),
    path("", include("retinue.urls")),
    path("admin/", admin.site.urls),
    path("favicon.ico", favicon),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
