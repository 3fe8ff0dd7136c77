"""The agents of a site are found in the `agents` modules of its apps, each under a name of its own."""

import sys

import pytest

from retinue import DjangoAgent
from retinue.agents import registry
from retinue.agents.registry import all_agents, get_agent, is_registered, place_of, registered
from retinue.errors import DuplicateAgent, UnknownAgent
from tests.shop.agents import clerk, warden


@pytest.fixture
def anew(monkeypatch):
    """As in a process that has not looked for agents yet."""
    monkeypatch.setattr(registry, "_agents", None)
    monkeypatch.setattr(registry, "_places", {})


@pytest.fixture
def install(tmp_path, monkeypatch, settings):
    """Installs apps with these `agents` modules beside those that are there."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(**sources):
        for name, source in sources.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").touch()
            if source is not None:
                (tmp_path / name / "agents.py").write_text(f"from retinue import DjangoAgent\n{source}\n")
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, *sources]

    yield install
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def test_found_on_first_use(anew):
    assert registry._agents is None
    assert get_agent("clerk") is clerk
    assert {"clerk": clerk, "warden": warden}.items() <= all_agents().items()
    assert list(all_agents()) == sorted(all_agents())


def test_place_of_an_agent(anew):
    all_agents()
    assert place_of("clerk") == "tests.shop.agents:clerk"
    assert place_of("nobody") == ""


def test_app_without_agents_is_fine(anew, install):
    install(plain=None)
    assert get_agent("clerk") is clerk


def test_other_things_in_the_module_are_left_alone(anew, install):
    install(extras="own = DjangoAgent('own')\nnumber = 3\nlength = len")
    assert get_agent("own").name == "own"
    assert place_of("own") == "extras.agents:own"


def test_two_agents_with_one_name_are_both_named(anew, install):
    install(one="first = DjangoAgent('twin')", two="second = DjangoAgent('twin')")
    with pytest.raises(DuplicateAgent) as caught:
        all_agents()
    assert str(caught.value) == (
        "Two agents are named 'twin': one.agents:first and two.agents:second. "
        "A name is persisted identity; rename one of them."
    )


def test_two_agents_with_one_name_in_one_module(anew, install):
    install(one="first = DjangoAgent('twin')\nsecond = DjangoAgent('twin')")
    with pytest.raises(DuplicateAgent, match=r"one\.agents:first and one\.agents:second"):
        get_agent("clerk")


def test_one_agent_under_two_names_is_one(anew, install):
    install(one="agent = DjangoAgent('shared')", two="from one.agents import agent as imported")
    assert get_agent("shared").name == "shared"
    assert place_of("shared") == "one.agents:agent"


@pytest.mark.parametrize(("source", "error"), [("1 / 0", ZeroDivisionError), ("import nothing_such", ImportError)])
def test_module_that_fails_says_so_each_time(anew, install, source, error):
    """A mistake in an agents module is neither hidden nor kept."""
    install(broken=source)
    for _ in range(2):
        with pytest.raises(error):
            get_agent("clerk")


def test_unknown_agent(anew):
    with pytest.raises(UnknownAgent, match=r"There is no agent named 'clrk'\. Did you mean clerk\?"):
        get_agent("clrk")
    with pytest.raises(UnknownAgent, match="Known are: assistant, clerk, "):
        get_agent("something else entirely")


def test_no_agents_at_all(anew, settings):
    settings.INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "retinue"]
    with pytest.raises(UnknownAgent, match="Known are: none"):
        get_agent("clerk")


def test_registered_for_a_while():
    agent, other = DjangoAgent("passing"), DjangoAgent("clerk")
    with registered(agent):
        assert get_agent("passing") is agent
        with registered(other):
            assert get_agent("clerk") is other
            assert is_registered(other) and not is_registered(clerk)
        assert get_agent("clerk") is clerk
    with pytest.raises(UnknownAgent):
        get_agent("passing")
    assert is_registered(clerk) and not is_registered(agent)


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_name_that_cannot_be_kept(name):
    with pytest.raises(ValueError, match="at most 100 characters"):
        DjangoAgent(name)


def test_name_cannot_be_changed():
    agent = DjangoAgent("fixed")
    with pytest.raises(AttributeError, match="cannot be changed"):
        agent.name = "other"
    assert agent.name == "fixed"
