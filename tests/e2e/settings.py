"""The test project as a site that is served: the assistant's pages under a strict Content-Security-Policy."""

from csp.constants import NONE, SELF

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as TESTED
from tests.settings import MIDDLEWARE as SHARED

INSTALLED_APPS = [*TESTED, *(app for app in ("retinue.assistant",) if app not in TESTED)]
MIDDLEWARE = ["csp.middleware.CSPMiddleware", *SHARED]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
ROOT_URLCONF = "tests.e2e.urls"
LOGIN_URL = "login"
