"""Convert code with ``async`` to code without, as users of the blocking door write it."""

from __future__ import annotations

import ast
from typing import Final

__all__ = ["without_async"]

_NAMES: Final = {
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AsyncGenerator": "Generator",
    "AsyncIterator": "Iterator",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "aiter": "iter",
    "anext": "next",
    "__aexit__": "__exit__",
    "__aenter__": "__enter__",
}


class _WithoutAsync(ast.NodeTransformer):
    """Replaces each async node by its blocking form."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        value = self.visit(node.value)
        assert isinstance(value, ast.expr)
        return value

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._as(ast.FunctionDef, node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self._as(ast.For, node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return self._as(ast.With, node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = _NAMES.get(node.id, node.id)
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        node.name = _NAMES.get(node.name, node.name)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = _NAMES.get(node.attr, node.attr)
        return node

    def _as(self, kind: type[ast.stmt], node: ast.stmt) -> ast.AST:
        self.generic_visit(node)
        fields = {name: getattr(node, name) for name in node._fields}
        return ast.copy_location(kind(**fields), node)


def without_async(tree: ast.Module) -> ast.Module:
    """Return the tree without ``async`` and ``await``; the argument is changed."""
    changed = _WithoutAsync().visit(tree)
    assert isinstance(changed, ast.Module)
    return ast.fix_missing_locations(changed)
