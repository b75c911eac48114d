# SPDX-License-Identifier: Apache-2.0
"""The package list equals the tree, and packages import only what they may."""

import ast
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "weft": "host",
    "weft.hdl": "hdl",
    "weft.generators": "generators",
    "weft.sim": "sim",
    "weft.boards": "boards",
}

MODELS = {"weft.graph", "weft.importers", "weft.operators"}
CORE_HDL = {
    "weft.hdl.config",
    "weft.hdl.isa",
    "weft.hdl.link.protocol",
    "weft.hdl.registers",
}
ALLOWED = {
    "weft.hdl": {"weft.hdl"},
    "weft.generators": {"weft.generators", "weft.hdl"},
    "weft.sim": {"weft.sim", "weft.hdl", "weft.generators"},
    "weft.boards": {"weft.boards", "weft.hdl", "weft.generators"},
    "weft.graph": {"weft.graph"},
    "weft.importers": {*MODELS, "weft.sim"},
    "weft.operators": {"weft.graph", "weft.operators", "weft.sim"},
    "weft.compiler": {"weft.compiler", *MODELS, "weft.sim", *CORE_HDL},
    "weft.runtime": {"weft.runtime", "weft.compiler", *MODELS, "weft.sim", *CORE_HDL},
}
"""Area to what its modules may import; areas that are missing may import everything.

``sim`` builds the Verilog that it simulates, so it may import ``generators``.
"""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def folder_of(package):
    for parent in sorted(FOLDERS, key=len, reverse=True):
        if package == parent or package.startswith(parent + "."):
            rest = package[len(parent) :].lstrip(".").replace(".", "/")
            return ROOT / FOLDERS[parent] / rest
    raise KeyError(package)


def packages_in_tree():
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inner]))
    return found


def test_package_list_equals_the_tree():
    assert set(project()["tool"]["setuptools"]["packages"]) == packages_in_tree()


def test_package_folders_are_mapped():
    mapped = project()["tool"]["setuptools"]["package-dir"]
    assert mapped == {
        package: folder for package, folder in FOLDERS.items() if (ROOT / folder).is_dir()
    }


def test_no_folder_shadows_the_package():
    assert not (ROOT / "weft").exists()


def test_type_checkers_see_every_package():
    typings = ROOT / "scripts" / "typings"
    missing = [
        package
        for package in packages_in_tree()
        if not (typings / package.replace(".", "/") / "__init__.py").exists()
    ]
    assert not missing, f"add symbolic links in scripts/typings/weft for {sorted(missing)}"


def modules():
    for package in sorted(packages_in_tree()):
        for path in sorted(folder_of(package).glob("*.py")):
            name = package if path.stem == "__init__" else f"{package}.{path.stem}"
            yield pytest.param(name, path, id=name)


def imports(name, path):
    """Yield the full names of all that a module imports of ours."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("weft"))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            if base == "weft" or base.startswith("weft."):
                for alias in node.names:
                    full = f"{base}.{alias.name}"
                    yield full if is_module(full) else base


def is_module(name):
    try:
        folder = folder_of(name)
    except KeyError:
        return False
    return (folder / "__init__.py").exists() or folder.with_suffix(".py").exists()


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_who_imports_whom(name, path):
    area = next((a for a in ALLOWED if name == a or name.startswith(a + ".")), None)
    if area is None:
        return
    for imported in imports(name, path):
        assert any(
            imported == allowed or imported.startswith(allowed + ".") for allowed in ALLOWED[area]
        ), f"{name} imports {imported}; {area} may import only {sorted(ALLOWED[area])}"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_imports_inside_packages_are_relative(name, path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not [n for n in names if n.split(".")[0] == "weft"], f"{name}: use relative imports"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_source_files_carry_their_licence(name, path):
    assert path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n"), path


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_public_methods_have_docstrings(name, path):
    """What ruff's D102 asks, but for ``elaborate``, whose contract is always the same."""
    for owner in ast.walk(ast.parse(path.read_text())):
        if not isinstance(owner, ast.ClassDef) or owner.name.startswith("_"):
            continue
        for method in owner.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                public = not method.name.startswith("_") and method.name != "elaborate"
                setter = any(
                    isinstance(mark, ast.Attribute) and mark.attr == "setter"
                    for mark in method.decorator_list
                )
                assert setter or not public or ast.get_docstring(method), (
                    f"{name}: {owner.name}.{method.name} has no docstring"
                )
