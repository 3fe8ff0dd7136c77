"""Someone who types a page's Python into a project, one block after another."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from inspect import CO_COROUTINE
from types import ModuleType
from typing import Any
from unittest import TestCase, TestResult, defaultTestLoader

from asgiref.sync import async_to_sync
from django.test import override_settings

from retinue.agents.registry import registered
from retinue.checks import check_settings
from tests.docs.pages import Block

ARROW = "# → "


class Reader:
    """Runs blocks in one namespace.

    A block that is a file becomes a module; a page's `value  # → repr` is compared with what it says, where
    … stands for anything.
    """

    def __init__(self, stack: ExitStack, given: dict[str, Any]) -> None:
        self._stack = stack
        self.namespace = given

    def read(self, block: Block) -> None:
        if block.path.endswith("settings.py"):
            self._settings(block)
        elif block.path:
            self._module(block)
        else:
            self._run(block, self.namespace)
            self._test(block, self.namespace)

    def _run(self, block: Block, namespace: dict[str, Any]) -> None:
        tree = _with_expectations(block)
        code = compile(tree, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        namespace["_expect_"] = _expect

        async def run() -> None:
            await eval(code, namespace)  # noqa: S307 (the page itself)

        if code.co_flags & CO_COROUTINE:
            async_to_sync(run)()
        else:
            exec(code, namespace)  # noqa: S102

    def _module(self, block: Block) -> None:
        """Put the file where imports find it, and its agents where workers do."""
        name = block.path.removesuffix(".py").replace("/", ".")
        module = sys.modules[name] if block.appended else ModuleType(name)
        self._stack.enter_context(imported(module))
        self._run(block, vars(module))
        agents = [value for value in vars(module).values() if getattr(type(value), "is_retinue_agent", False)]
        self._stack.enter_context(registered(*agents))
        self._test(block, vars(module))
        # What a page has imported once it does not import again.
        self.namespace.update({name: value for name, value in vars(module).items() if not name.startswith("__")})

    def _settings(self, block: Block) -> None:
        """What a settings module gets must pass Retinue's own check."""
        values: dict[str, Any] = {}
        exec(compile(block.body, block.place, "exec", dont_inherit=True), values)  # noqa: S102
        with override_settings(**{name: value for name, value in values.items() if name == "RETINUE"}):
            assert check_settings() == [], block.place

    def _test(self, block: Block, namespace: dict[str, Any]) -> None:
        """A page's test cases pass."""
        names = [node.name for node in ast.parse(block.body).body if isinstance(node, ast.ClassDef)]
        for case in (namespace[name] for name in names):
            if issubclass(case, TestCase):
                result = TestResult()
                defaultTestLoader.loadTestsFromTestCase(case).run(result)
                assert result.testsRun and result.wasSuccessful(), [*result.errors, *result.failures]


@contextmanager
def imported(module: ModuleType, name: str = "") -> Iterator[None]:
    """Have a module importable for a while."""
    name = name or module.__name__
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def matches(expected: str, actual: str) -> bool:
    """Whether a text is what a page shows, where … stands for anything."""
    return re.fullmatch(".*?".join(map(re.escape, expected.split("…"))), actual, re.DOTALL) is not None


def _with_expectations(block: Block) -> ast.Module:
    tree, lines = ast.parse(block.body), block.body.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and ARROW in (line := lines[(node.end_lineno or 0) - 1]):
            expected = ast.Constant(line.partition(ARROW)[2].strip())
            node.value = ast.Call(ast.Name("_expect_", ast.Load()), [node.value, expected], [])
    # As if it stood on its line of the page.
    return ast.increment_lineno(ast.fix_missing_locations(tree), block.line)


def _expect(value: Any, expected: str) -> None:
    assert matches(expected, repr(value)), f"{value!r} is not {expected}"
