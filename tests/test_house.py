"""The house's rules that no linter knows: sizes, catch-alls, foreign paths, one version, fresh locks.

Each rule is a function from files to violations: run on this tree and, to see that it bites, on a wrong one.
"""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import version

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 600
# The three places that may catch everything, once each: a call's top, an RPC's top, a task's top.
CATCH_ALL = {
    "agenticd/service/session.py",
    "agenticd/adapters/rpc/interceptors.py",
    "agenticd/app.py",
}
# Folders of somebody's machine: homes, checkouts. What follows a word or a variable is not one.
MACHINE_PATH = r"(?<![\w.~$})/-])(?:/(?:root|work|workspace|(?:home|Users)/[a-z][\w.-]*)|HOME|HERE)/"
# (Cargo.lock has "registry+https://github.com/rust-lang/crates.io-index": the registry's name, everywhere the same.)
REGISTRY_HOST = (
    r"\b(?:pypi\.(?:org|python\.org)|files\.pythonhosted\.org|registry\.(?:npmjs|yarnpkg)\.(?:org|com)"
    r"|(?:proxy|sum)\.golang\.org|crates\.io(?!-index)|rubygems\.org|repo1?\.maven\.(?:apache\.)?org)\b"
)


def tracked(root: Path) -> list[str]:
    """The files that git keeps in `root`, or would keep if all were added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and (root / name).is_file()})


def modules(names: Iterable[str]) -> Iterator[str]:
    """The modules that people wrote and users run."""
    for name in names:
        shipped = name.startswith(("agenticd/", "clients/"))
        if shipped and name.endswith(".py") and not re.search(r"_pb2(_grpc)?\.py$|/v1/__init__\.py$", name):
            yield name


def too_long_or_silent(root: Path, names: Iterable[str]) -> list[str]:
    """Modules with more than 600 lines or without a docstring."""
    found = []
    for name in modules(names):
        text = (root / name).read_text()
        if (lines := text.count("\n")) > MAX_LINES:
            found.append(f"{name}: {lines} lines, {MAX_LINES} are allowed: split it by what changes together")
        if not ast.get_docstring(ast.parse(text)):
            found.append(f"{name}: no docstring: say what it is, and what it is not")
    return found


def _catches_all(node: ast.ExceptHandler | ast.Call) -> bool:
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.Tuple(elts=types)):
            pass
        case ast.ExceptHandler(type=ast.expr() as one):
            types = [one]
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=types):
            pass
        case _:
            return False
    names = {ast.unparse(t).rpartition(".")[2] for t in types}
    return not names.isdisjoint({"Exception", "BaseException"})


def catch_alls(root: Path, names: Iterable[str]) -> list[str]:
    """Handlers of every exception outside the three places, and second ones inside them."""
    found = []
    for name in modules(names):
        nodes = ast.walk(ast.parse((root / name).read_text()))
        candidates = [node for node in nodes if isinstance(node, ast.ExceptHandler | ast.Call)]
        lines = sorted(node.lineno for node in candidates if _catches_all(node))
        found += [f"{name}:{line}: catches everything" for line in lines[1 if name in CATCH_ALL else 0 :]]
    return found


def foreign_words(root: Path, names: Iterable[str]) -> list[str]:
    """Paths of the machine that somebody worked on, and hosts of package registries."""
    machine = MACHINE_PATH.replace("HOME", re.escape(str(Path.home()))).replace("HERE", re.escape(str(root)))
    pattern = re.compile(f"{machine}|{REGISTRY_HOST}")
    found = set()
    for name in names:
        text = (root / name).read_bytes().decode("utf-8", "replace")
        found |= {f"{name}: {hit.group()}" for hit in pattern.finditer(text)}
    return sorted(found)


def locked(root: Path, lock: str) -> dict[str, str]:
    """The packages of a lock file with their versions; each must have a hash."""
    pinned: dict[str, str] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", (root / "requirements" / lock).read_text(), flags=re.IGNORECASE):
        if match := re.match(r"([\w.-]+)==(\S+)", entry):
            assert "--hash=sha256:" in entry, f"{lock}: {match[1]} has no hash: run `make lock`"
            pinned[canonicalize_name(match[1])] = str(match[2])
    return pinned


def not_locked(root: Path) -> list[str]:
    """Declared dependencies that the locks do not hold at a version that fits."""
    daemon = tomllib.loads((root / "pyproject.toml").read_text())
    client = tomllib.loads((root / "clients/python/pyproject.toml").read_text())
    runtime = [*daemon["project"]["dependencies"], *client["project"]["dependencies"]]
    extras = daemon["project"].get("optional-dependencies", {})
    runtime += extras.get("emulator", [])  # the others are no part of what the demo needs
    wanted = {
        "runtime.txt": runtime,
        "dev.txt": [*runtime, *itertools.chain(*extras.values()), *daemon["dependency-groups"]["dev"]],
        "uv.txt": daemon["dependency-groups"]["bootstrap"],
    }
    found = []
    for lock, declared in wanted.items():
        pins = locked(root, lock)
        for requirement in map(Requirement, declared):
            pin = pins.get(canonicalize_name(requirement.name))
            if requirement.name != client["project"]["name"] and (pin is None or pin not in requirement.specifier):
                found.append(f"requirements/{lock}: {requirement} is declared, locked is {pin}: run `make lock`")
    return found


NAMES = tracked(ROOT)


def test_every_module_is_short_and_says_what_it_is() -> None:
    assert too_long_or_silent(ROOT, NAMES) == []


def test_only_three_places_catch_everything() -> None:
    assert catch_alls(ROOT, NAMES) == []


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    assert foreign_words(ROOT, NAMES) == []


def test_daemon_and_clients_have_one_version() -> None:
    assert len({said for _, said in version.versions(ROOT)}) == 1, version.versions(ROOT)


def test_the_version_is_set_everywhere_or_nowhere(tmp_path: Path) -> None:
    for name, _ in version.PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    with pytest.raises(ValueError, match="three numbers"):
        version.set_version("v2", tmp_path)
    assert version.versions(tmp_path) == version.versions(ROOT)
    version.set_version("12.3.4", tmp_path)
    assert {said for _, said in version.versions(tmp_path)} == {"12.3.4"}
    client = tomllib.loads((tmp_path / "clients/python/pyproject.toml").read_text())["project"]
    daemon = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    assert (client["version"], f"{client['name']}==12.3.4" in daemon["dependencies"]) == ("12.3.4", True)
    (tmp_path / "clients/java/pom.xml").write_text("<project/>")
    with pytest.raises(ValueError, match=r"pom\.xml"):
        version.set_version("12.3.5", tmp_path)


def test_the_locks_hold_what_is_declared() -> None:
    assert not_locked(ROOT) == []


def test_the_developers_lock_changes_no_version_of_the_runtime() -> None:
    runtime, dev = locked(ROOT, "runtime.txt"), locked(ROOT, "dev.txt")
    assert runtime.items() <= dev.items()


def test_notice_names_every_package_that_users_get() -> None:
    named = {canonicalize_name(line.split()[0]) for line in (ROOT / "NOTICE").read_text().splitlines() if line.strip()}
    assert sorted(locked(ROOT, "runtime.txt").keys() - named) == []


# --- the rules bite --------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "agenticd" / "service").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "clients" / "python").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ('"""Doc."""\n' + "\n" * 599, 0),
        ('"""Doc."""\n' + "\n" * 600, 1),
        ("x = 1\n", 1),
        ("", 1),
    ],
)
def test_a_long_or_silent_module_is_found(tree: Path, source: str, wrong: int) -> None:
    (tree / "agenticd/a.py").write_text(source)
    assert len(too_long_or_silent(tree, ["agenticd/a.py"])) == wrong


@pytest.mark.parametrize(
    ("handler", "wrong"),
    [
        ("except ValueError:", 0),
        ("except:", 1),
        ("except Exception:", 1),
        ("except BaseException as e:", 1),
        ("except (OSError, Exception):", 1),
        ("except builtins.Exception:", 1),
    ],
)
def test_a_catch_all_is_found(tree: Path, handler: str, wrong: int) -> None:
    (tree / "agenticd/a.py").write_text(f"try:\n    f()\n{handler}\n    pass\n")
    assert len(catch_alls(tree, ["agenticd/a.py"])) == wrong


def test_suppressing_everything_counts_and_one_handler_is_allowed_in_the_three_places(tree: Path) -> None:
    once = "try:\n    f()\nexcept Exception:\n    pass\n"
    (tree / "agenticd/a.py").write_text("with contextlib.suppress(Exception):\n    f()\n")
    (tree / "agenticd/app.py").write_text(once)
    (tree / "agenticd/service/session.py").write_text(once + once)
    names = ["agenticd/a.py", "agenticd/app.py", "agenticd/service/session.py"]
    assert [hit.split(":")[0] for hit in catch_alls(tree, names)] == [
        "agenticd/a.py",
        "agenticd/service/session.py",
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("see /home/" + "ada/agenticd", 1),
        ('path = "/' + 'root/x"', 1),
        ("https://pypi" + ".org/simple", 1),
        ("npm from registry" + ".npmjs.org", 1),
        ("$HOME/.config, ~/srv/x, /run/agenticd, /var/lib/agenticd, https://example.com/opt/x", 0),
    ],
)
def test_a_foreign_path_or_host_is_found(tree: Path, text: str, wrong: int) -> None:
    (tree / "a.txt").write_text(text)
    assert len(foreign_words(tree, ["a.txt"])) == wrong


def test_the_path_of_this_very_tree_is_found(tree: Path) -> None:
    (tree / "a.txt").write_text(f"cd {tree}/agenticd")
    assert foreign_words(tree, ["a.txt"]) == [f"a.txt: {tree}/"]


def test_a_stale_lock_is_found(tree: Path) -> None:
    client = '[project]\nname = "agenticd-client"\nversion = "2"\ndependencies = ["a>=1"]\n'
    daemon = (
        '[project]\nversion = "1"\ndependencies = ["agenticd-client==3", "b"]\n'
        '[dependency-groups]\ndev = ["c<2"]\nbootstrap = ["uv==1"]\n'
    )
    (tree / "clients/python/pyproject.toml").write_text(client)
    (tree / "pyproject.toml").write_text(daemon)
    (tree / "requirements/runtime.txt").write_text("a==0.9 \\\n    --hash=sha256:00\n")
    (tree / "requirements/dev.txt").write_text("a==1 --hash=sha256:00\nB==1 --hash=sha256:00\nc==2 --hash=sha256:00\n")
    (tree / "requirements/uv.txt").write_text("uv==1 --hash=sha256:00\n")
    assert [hit.split(" is declared")[0] for hit in not_locked(tree)] == [
        "requirements/runtime.txt: b",
        "requirements/runtime.txt: a>=1",
        "requirements/dev.txt: c<2",
    ]
