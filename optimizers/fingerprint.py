"""What code a result came from: the text of a class or function with all that it reaches by name, and of its options.

Source is read where there is any, as a tree without comments, docstrings and layout, written out again: the same for
every Python. From a class the names it uses lead to functions, classes and constants of its file and package, and on
from there. Modules of Python itself and installed packages end the walk: their versions stand in the record.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property, lru_cache, partial
from importlib.util import find_spec, resolve_name
from inspect import unwrap
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final

__all__ = ["code_of", "digest_of", "options_text", "value_text"]

Code = type | FunctionType

INSTALLED: Final = {"site-packages", "dist-packages"}
KNOBS: Final = "hyperparameters"  # whose defaults count by value, and whose ranges do not
MADE_BY_DATACLASS: Final = {"__eq__", "__hash__", "__init__", "__repr__", "__setattr__", "__delattr__", "__replace__"}
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES: Final = (*FUNCTIONS, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Dotted = tuple[str, ...]
"""A name as code uses it: ``a.b.c`` in its parts."""


def digest_of(*texts: str) -> str:
    """16 hex digits that name ``texts``."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()[:16]


@cache
def code_of(kind: Code, *, installed: bool = True) -> str:
    """The code of a class, its bases included, or of a function, with what it reaches by name.

    Of an installed package what stands in the same package is followed too, unless ``installed`` is False. The class
    attribute ``hyperparameters`` is left out. Files are read the first time that a class is asked for: what is edited
    later is not what runs. Where no source can be had (defined in a console or a notebook) the compiled code stands
    for it, which differs between versions of Python, and in which an added docstring counts.
    """
    roots = [each for each in (kind.__mro__ if isinstance(kind, type) else [kind]) if not _of_python(each.__module__)]
    walk = _Walk({_top(each.__module__) for each in roots} if installed else set())
    texts = []
    for root in roots:
        if root is not kind and not walk.follows(root.__module__):
            continue
        home, name = _home(root), root.__qualname__.partition(".")[0]
        if home is None:
            texts.append(_compiled(root, (kind,)))
        else:
            walk.take(home, (name,))
        texts += [_cells_text(function, (kind,)) for function in _functions(root)]
    return "\n".join([*sorted(walk.found.values()), *filter(None, texts)])


def value_text(value: Any, within: tuple[Any, ...] = ()) -> str:
    """``value`` as text that is the same in every process, with the code of the classes and functions in it.

    ``within`` are the values that it is a part of.
    """
    if any(value is outer for outer in within):
        return "…"
    inner: Callable[[Any], str] = partial(value_text, within=(*within, value))
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, type | FunctionType):
        return f"{value.__qualname__}: {'' if _of_python(value.__module__) else code_of(value)}"
    if isinstance(value, BuiltinFunctionType):
        return value.__qualname__
    if isinstance(value, partial):
        return f"partial {inner(value.func)} {inner(value.args)} {inner(value.keywords)}"
    if isinstance(value, CodeType):
        return _code_text(value, inner)
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{inner(key)}: {inner(part)}' for key, part in value.items()))}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(map(inner, value))})"
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # tensors and arrays, which print only a part of theirs
        return f"{value.dtype} {value.tolist()!r}"
    if is_dataclass(value) or "__repr__" not in {name for each in type(value).__mro__[:-1] for name in vars(each)}:
        return f"{inner(type(value))} {options_text(value, inner)}"
    return repr(value)


def options_text(value: Any, inner: Callable[[Any], str]) -> str:
    """The fields and attributes of an object with their values as ``inner`` writes them.

    Cached properties are left out, and what a rule says of its hyperparameters.
    """
    cached = {
        name for each in type(value).__mro__ for name in vars(each) if isinstance(vars(each)[name], cached_property)
    }
    parts = {name: part for name, part in getattr(value, "__dict__", {}).items() if name not in cached | {KNOBS}}
    if is_dataclass(value):
        parts |= {field.name: getattr(value, field.name) for field in fields(value)}
    return ", ".join(f"{name}={inner(part)}" for name, part in sorted(parts.items()))


@dataclass(frozen=True, eq=False)
class _Source:
    """A module's top-level statements, each with the names that it binds or changes."""

    path: str
    package: str
    statements: tuple[tuple[ast.stmt, frozenset[str]], ...]

    def binding(self, name: str) -> list[ast.stmt]:
        return [statement for statement, names in self.statements if name in names]


class _Walk:
    """Collects the statements that code reaches by name, over the modules of ``packages`` and those not installed."""

    def __init__(self, packages: set[str]) -> None:
        self.packages = packages
        self.found: dict[tuple[str, str], str] = {}
        self.seen: set[tuple[str, Dotted]] = set()

    def follows(self, module: str) -> bool:
        """Whether the source of ``module`` belongs to what is collected."""
        if _top(module) in self.packages:
            return True
        file = _file(module)
        return not _of_python(module) and file is not None and not INSTALLED & set(Path(file).parts)

    def take(self, source: _Source, name: Dotted) -> None:
        """Collect what ``name`` stands for in ``source``, where it stands for something of the module's."""
        if (source.path, name) in self.seen:
            return
        self.seen.add((source.path, name))
        statements = source.binding(name[0])
        texts = [ast.unparse(each) for each in statements if not isinstance(each, ast.Import | ast.ImportFrom)]
        if texts:
            self.found[source.path, name[0]] = "\n".join(texts)
        for statement in statements:
            self._imports(source, statement, name)
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for used in _used(statement):
                    self.take(source, used)
        if not statements:
            for statement in source.binding("*"):
                self._imports(source, statement, name)

    def _imports(self, source: _Source, statement: ast.stmt, name: Dotted) -> None:
        """Follow the imports in ``statement`` of ``name``, and, of a definition, those within it."""
        every = isinstance(statement, DEFINITIONS)
        for node in ast.walk(statement):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for alias in node.names:
                if every or alias.name == "*" or _bound_by(alias) == name[0]:
                    rest = () if every else name[1:]
                    if isinstance(node, ast.ImportFrom):
                        module = _absolute(node, source.package)
                        self._enter(module, name if alias.name == "*" and not every else (alias.name, *rest))
                    elif alias.asname or every:
                        self._enter(alias.name, rest)
                    else:
                        self._enter(_top(alias.name), rest)

    def _enter(self, module: str, name: Dotted) -> None:
        """Collect ``name`` of ``module``: of a module within it, where it is one, and all of it where name is empty."""
        if not self.follows(module):
            return
        while name and _file(f"{module}.{name[0]}") is not None:
            module, name = f"{module}.{name[0]}", name[1:]
        source = _source(module)
        if source is not None:
            whole = {each for _, names in source.statements for each in names}
            for one in [name] if name and name[0] != "*" else [(each,) for each in sorted(whole - {"*"})]:
                self.take(source, one)


def _home(kind: Code) -> _Source | None:
    """The source in which ``kind`` is defined; None where there is none, or none that holds its name."""
    module = sys.modules.get(kind.__module__)
    package = getattr(module, "__package__", "") or ""
    for file in (getattr(module, "__file__", None), *(each.__code__.co_filename for each in _functions(kind))):
        source = _read(file, package) if isinstance(file, str) else None
        if source is not None and source.binding(kind.__qualname__.partition(".")[0]):
            return source
    return None


def _source(module: str) -> _Source | None:
    file = _file(module)
    spec = sys.modules[module].__spec__ if module in sys.modules else find_spec(module)
    return None if file is None else _read(file, (spec.parent or "") if spec else "")


def _file(module: str) -> str | None:
    """The file of ``module``, which need not be imported yet; None where there is no such module or no file of it."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
    else:
        try:
            spec = find_spec(module)
        except (ImportError, AttributeError, ValueError):
            return None
        file = spec.origin if spec else None
    return file if file is not None and file.endswith(".py") else None


def _read(file: str, package: str) -> _Source | None:
    try:
        with tokenize.open(file) as handle:
            statements = _statements(handle.read())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    return _Source(file, package, statements)


@lru_cache(maxsize=256)
def _statements(text: str) -> tuple[tuple[ast.stmt, frozenset[str]], ...]:
    tree = _Bare().visit(ast.parse(text))
    return tuple((statement, _bound(statement)) for statement in tree.body)


class _Bare(ast.NodeTransformer):
    """Drops docstrings, and what a class says of its hyperparameters: defaults count by value, ranges do not."""

    def visit(self, node: ast.AST) -> Any:
        node = super().visit(node)
        if isinstance(node, DEFINITIONS):
            said = node.body if isinstance(node, ast.ClassDef) else []
            dropped = [
                each for each in said if isinstance(each, ast.Assign | ast.AnnAssign) and _roots(each) == {KNOBS}
            ]
            node.body = [each for each in node.body if each not in dropped] or [ast.Pass()]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


def _roots(statement: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _bound(statement: ast.stmt) -> frozenset[str]:
    """The top-level names that ``statement`` binds, or may change: a call changes what it mentions."""
    if isinstance(statement, DEFINITIONS):
        return frozenset({statement.name})
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            names.add(_bound_by(node))
        elif isinstance(node, DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root: ast.AST = node
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            names |= {root.id} if isinstance(root, ast.Name) else set()
        elif isinstance(node, ast.Name) and isinstance(statement, ast.Expr):
            names.add(node.id)
    return frozenset(names)


def _bound_by(alias: ast.alias) -> str:
    return alias.asname or _top(alias.name)


def _used(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[Dotted]:
    """Yield the names that ``node`` reads and that are not ``local``, with their attributes; annotations do not run."""
    if isinstance(node, SCOPES):
        local |= _locals(node)
    if isinstance(node, ast.Name):
        if node.id not in local:
            yield (node.id,)
        return
    if isinstance(node, ast.Attribute):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts, inner = [inner.attr, *parts], inner.value
        for name in _used(inner, local):
            yield (*name, *parts) if isinstance(inner, ast.Name) else name
        return
    for field, part in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for each in part if isinstance(part, list) else [part]:
                if isinstance(each, ast.AST):
                    yield from _used(each, local)


def _locals(scope: ast.AST) -> frozenset[str]:
    """The names that a function or a comprehension binds itself."""
    bound, outer = set(), set()
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.Global):
            outer |= set(node.names)
        elif isinstance(node, DEFINITIONS):
            bound.add(node.name)
        if not isinstance(node, (*SCOPES, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)
    return frozenset(bound - outer)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that ``node`` imports from, where it stands in a module of ``package``."""
    try:
        return resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
    except ImportError:
        return ""


def _compiled(kind: Code, within: tuple[Any, ...]) -> str:
    """The compiled code of a class's own functions and its attributes, or of a function; see `code_of`."""
    if isinstance(kind, FunctionType):
        return _function_text(kind, within)
    skipped = {KNOBS, *(MADE_BY_DATACLASS if "__dataclass_params__" in vars(kind) else ())}
    texts = [kind.__qualname__]
    for name, value in sorted(vars(kind).items()):
        functions = list(_unwrapped(value))
        if name in skipped:
            continue
        if functions:
            texts += [f"{name}: {_function_text(function, within)}" for function in functions]
        elif not name.startswith(("__", "_abc_")):
            texts.append(f"{name}: {value_text(value, within)}")
    return "\n".join(texts)


def _function_text(function: FunctionType, within: tuple[Any, ...]) -> str:
    inner = partial(value_text, within=(*within, function))
    code = function.__code__
    if function.__doc__ is not None and code.co_consts[:1] == (function.__doc__,):
        code = code.replace(co_consts=(None, *code.co_consts[1:]))
    reached = {name: function.__globals__[name] for name in _names(code) if name in function.__globals__}
    called = {name: inner(value) for name, value in sorted(reached.items())}
    return f"{_code_text(code, inner)} {inner(function.__defaults__)} {inner(function.__kwdefaults__)} {called}"


def _code_text(code: CodeType, inner: Callable[[Any], str]) -> str:
    return f"{code.co_code.hex()} {inner(code.co_consts)} {code.co_names} {code.co_varnames}"


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(part) for part in code.co_consts if isinstance(part, CodeType)))


def _cells_text(function: FunctionType, within: tuple[Any, ...]) -> str:
    """What ``function`` took from the functions around it, by name; nothing for most."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells.pop("__class__", None)
    inner = partial(value_text, within=(*within, function))
    return ", ".join(f"{name}={inner(cell.cell_contents)}" for name, cell in sorted(cells.items()))


def _functions(kind: Code) -> list[FunctionType]:
    """The functions that a class defines itself, generated ones left out; a function itself."""
    if isinstance(kind, FunctionType):
        return [kind]
    made = MADE_BY_DATACLASS if "__dataclass_params__" in vars(kind) else set()
    return [each for name, value in vars(kind).items() if name not in made for each in _unwrapped(value)]


def _unwrapped(value: Any) -> Iterable[FunctionType]:
    """The functions behind an attribute of a class: a method, a property, what a decorator wrapped."""
    parts = [value.fget, value.fset] if isinstance(value, property) else [getattr(value, "__func__", value)]
    parts = [unwrap(part) if callable(part) and not isinstance(part, type) else part for part in parts]
    return [part for part in parts if isinstance(part, FunctionType)]


def _top(module: str) -> str:
    return module.partition(".")[0]


def _of_python(module: str | None) -> bool:
    """Whether ``module`` belongs to Python itself; a script and a console are somebody's own."""
    top = _top(module or "")
    return top != "__main__" and top in sys.stdlib_module_names
