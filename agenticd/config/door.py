"""The section grpc: where the API listens, and by what it knows who comes. Its files are read and judged here, so that
`config check`, a start and a reload refuse the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agenticd.adapters.rpc import certificates, tokens
from agenticd.adapters.rpc.material import BadMaterial
from agenticd.config import values
from agenticd.config.document import Entry, Items, Mark, Node, Table
from agenticd.config.reading import Many, Noted, Reading, Section, Shape
from agenticd.config.tree import Grpc, Tls
from agenticd.config.values import Leaf
from agenticd.service.urls import is_loopback

KEYS = ("listen", "tls", "tokens")
TLS_KEYS = ("cert", "key", "client_ca")
_WRITE_TLS = "grpc.tls: {cert: /etc/agenticd/tls.crt, key: /etc/agenticd/tls.key}"
TOKENS = "/etc/agenticd/tokens"
"""Where the tokens are in examples."""
_WRITE_TOKENS = f"grpc.tokens: {TOKENS}"

FileLeaf = Callable[[str], Leaf]
"""For an example, what reads the path of a file."""


@dataclass(frozen=True, slots=True)
class _Plain:
    """The settings that are no section of their own."""

    listen: tuple[str, ...]
    tokens: Path | None = None


def shapes(file: FileLeaf) -> tuple[Shape[_Plain], Shape[Tls]]:
    """How the settings of grpc and of grpc.tls are read."""
    tokens_file = file(TOKENS)
    plain = Shape(_Plain, {"listen": Many(values.listen_grpc), "tokens": tokens_file})
    examples = {
        "cert": "/etc/agenticd/tls.crt",
        "key": "/etc/agenticd/tls.key",
        "client_ca": "/etc/agenticd/clients.crt",
    }
    advice = {name: f"write {name}: {examples[name]}" for name in ("cert", "key")}
    return plain, Shape(Tls, {name: file(example) for name, example in examples.items()}, advice)


def build(reading: Reading, entry: Entry | None, default: str, file: FileLeaf) -> Grpc | None:
    """The section's settings. None where something is missing or wrong; the reading has noted what.

    `default`: where the API listens if nothing is said.
    """
    plain_shape, tls_shape = shapes(file)
    section = reading.section(entry.value if entry else None, "grpc", KEYS)
    mark = entry.key.mark if entry else Mark()
    plain = reading.fill(plain_shape, section, mark, "grpc", {"listen": (default,)})
    tls = None
    below = section.entries.get("tls")
    if below is not None:
        keys = reading.section(below.value, "grpc.tls", TLS_KEYS)
        tls = reading.fill(tls_shape, keys, below.key.mark, "grpc.tls")
        if tls is None:
            return None
        marks = {f"tls.{name}": each.value.mark for name, each in keys.entries.items()}
    else:
        marks = {}
    if plain is None or not section.sound:
        return None
    if (given := section.entries.get("tokens")) is not None:
        marks["tokens"] = given.value.mark
    grpc = Grpc(plain.listen, tls, plain.tokens)
    sound = _fits(reading, grpc, section) and _usable(reading, grpc, marks)
    return grpc if sound else None


def tokens_of(root: Node, reading: Reading, file: Leaf) -> Path | None:
    """grpc.tokens of a document; None if it is not set, or if the reading has noted what is wrong with it."""
    for entry in root.entries if isinstance(root, Table) else ():
        if entry.key.text == "grpc":
            found = reading.section(entry.value, "grpc", KEYS).entries.get("tokens")
            with suppress(Noted):
                return Path(str(reading.read(found.value, "grpc.tokens", file))) if found is not None else None
    return None


def _fits(reading: Reading, grpc: Grpc, section: Section) -> bool:
    """Whether nobody can come in without TLS, or without showing who they are."""
    remote = [
        index for index, each in enumerate(grpc.listen) if (host := values.host_of(each)) and not is_loopback(host)
    ]
    if remote and grpc.tls is None:
        node = section.entries["listen"].value
        missing = _WRITE_TLS if grpc.tokens is not None else f"{_WRITE_TLS} and {_WRITE_TOKENS}"
        for index in remote:
            mark, place = (node.nodes[index].mark, f"[{index}]") if isinstance(node, Items) else (node.mark, "")
            reading.add(
                mark,
                f"grpc.listen{place}",
                f"is outside loopback, where the API needs TLS: write {missing}, or use unix:/path or 127.0.0.1:port",
            )
        return False
    by_tcp = any(map(values.host_of, grpc.listen))
    if by_tcp and grpc.tls is not None and grpc.tls.client_ca is None and grpc.tokens is None:
        reading.add(
            section.entries["tls"].key.mark,
            "grpc.tls",
            f"needs something that tells who comes: write {_WRITE_TOKENS} for tokens, which `agenticd token create` "
            "makes, or tls.client_ca: /etc/agenticd/clients.crt for certificates",
        )
        return False
    return True


def _usable(reading: Reading, grpc: Grpc, marks: Mapping[str, Mark]) -> bool:
    """Whether all files are there and good; those that nobody would look at are not judged."""
    checks: list[Callable[[], object]] = []
    if any(map(values.host_of, grpc.listen)):
        if (tls := grpc.tls) is not None:
            checks.append(lambda: certificates.read_identity(tls.cert, tls.key))
            if (authority := tls.client_ca) is not None:
                checks.append(lambda: certificates.read_client_ca(authority))
        if (file := grpc.tokens) is not None:
            checks.append(lambda: tokens.read(file))
    sound = True
    for check in checks:
        try:
            check()
        except BadMaterial as bad:
            reading.add(marks[bad.key], f"grpc.{bad.key}", bad.text)
            sound = False
    return sound
