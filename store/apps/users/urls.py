"""Addresses of the account: log in, log out, change the password."""

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeDoneView, PasswordChangeView
from django.urls import path

from apps.users.demo import LOGINS

# The demonstration's passwords are public: they are shown where it runs, and nowhere else.
demo_logins = LOGINS if settings.DEBUG else ()

# Templates of names of their own: under those of Django the admin's pages would be the shop's, too.
urlpatterns = [
    path(
        "login/",
        LoginView.as_view(
            template_name="accounts/login.html",
            redirect_authenticated_user=True,
            extra_context={"demo_logins": demo_logins},
        ),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path(
        "password_change/",
        PasswordChangeView.as_view(template_name="accounts/password_change.html"),
        name="password_change",
    ),
    path(
        "password_change/done/",
        PasswordChangeDoneView.as_view(template_name="accounts/password_changed.html"),
        name="password_change_done",
    ),
]
