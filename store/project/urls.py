"""Where the shop's pages are."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from apps.home.views import favicon
from apps.users.demo import LOGINS

admin.site.site_header = admin.site.site_title = "Larkfield"

# The demonstration's passwords are public: they are shown where it runs, and nowhere else.
demo_logins = LOGINS if settings.DEBUG else ()

urlpatterns = [
    path("", include("apps.home.urls")),
    path("products/", include("apps.products.urls")),
    path(
        "accounts/login/",
        LoginView.as_view(redirect_authenticated_user=True, extra_context={"demo_logins": demo_logins}),
        name="login",
    ),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("favicon.ico", favicon),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
