"""The one version of daemon and clients, and every place where a manifest says it.

python -m tools.version           shows what each place says
python -m tools.version 0.2.0     sets it everywhere

Go's is the tag `clients/go/v0.2.0`: a module has no place for it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_JSON = r'(?<="name": "agenticd-client",\n{indent}"version": ")[^"]+'
PLACES: tuple[tuple[str, str], ...] = (
    ("pyproject.toml", r'(?m)(?<=^version = ")[^"]+'),
    ("pyproject.toml", r'(?<="agenticd-client==)[^"]+'),
    ("clients/python/pyproject.toml", r'(?m)(?<=^version = ")[^"]+'),
    ("clients/typescript/package.json", _JSON.format(indent="  ")),
    ("clients/typescript/package-lock.json", _JSON.format(indent="  ")),
    ("clients/typescript/package-lock.json", _JSON.format(indent="      ")),
    ("clients/typescript/README.md", r"(?<=agenticd-client-)[\d.]+(?=\.tgz)"),
    ("clients/java/pom.xml", r"(?<=<artifactId>agenticd-client</artifactId>\n  <version>)[^<]+"),
    ("clients/java/README.md", r"(?<=<artifactId>agenticd-client</artifactId>\n  <version>)[^<]+"),
    ("clients/rust/Cargo.toml", r'(?m)(?<=^version = ")[^"]+'),
    ("clients/rust/Cargo.lock", r'(?<=name = "agenticd-client"\nversion = ")[^"]+'),
)
"""Files, and what stands in the place of the version. Each is there once."""


def versions(root: Path = ROOT) -> list[tuple[str, str]]:
    """Each place's file, and what it says. Raises ValueError where there is no such place, or more than one."""
    found = []
    for name, pattern in PLACES:
        said = re.findall(pattern, (root / name).read_text(encoding="utf-8"))
        if len(said) != 1:
            raise ValueError(f"{name}: {len(said)} places for {pattern}, not one")
        found.append((name, said[0]))
    return found


def set_version(version: str, root: Path = ROOT) -> None:
    """Write it everywhere. Raises ValueError, and changes nothing, for what is no version."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"{version} is no version: it is three numbers, such as 0.2.0")
    versions(root)
    for name, pattern in PLACES:
        file = root / name
        file.write_text(re.sub(pattern, version, file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            set_version(sys.argv[1])
        for place, said in versions():
            print(f"{said:10} {place}")
    except ValueError as error:
        sys.exit(f"error: {error}")
