"""The RETINUE setting."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from retinue.conf import get_settings


@pytest.mark.parametrize(("given", "sentence"), [(["MODEL"], "RETINUE is a list."), ("MODEL", "RETINUE is a str.")])
def test_what_is_no_dict_is_one_sentence(settings, given, sentence):
    settings.RETINUE = given
    with pytest.raises(ImproperlyConfigured) as caught:
        get_settings()
    assert str(caught.value) == f"{sentence} Make it a dict."


@pytest.mark.parametrize("given", [None, {}])
def test_nothing_given_means_the_defaults(settings, given):
    settings.RETINUE = given
    assert get_settings().concurrency == 100
