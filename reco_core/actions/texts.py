"""Short texts that carry pairs or lists."""

from __future__ import annotations

from typing import Optional

from ..errors import ConfigError


def pairs(text: Optional[str], what: str) -> dict[str, str]:
    """Return the name=value pairs of a text separated by commas.

    Examples
    --------
    >>> pairs("ta=tavg, precip=pre", "variables")
    {'ta': 'tavg', 'precip': 'pre'}
    """
    found: dict[str, str] = {}
    for part in names(text):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ConfigError(f"'{part}' in {what} is not a name=value pair",
                              "Write pairs separated by commas, for example a=b,c=d")
        if name.strip() in found:
            raise ConfigError(f"'{name.strip()}' stands twice in {what}", "Keep one of them")
        found[name.strip()] = value.strip()
    return found


def counted(number: int, word: str) -> str:
    """Return a number with its word.

    Examples
    --------
    >>> counted(1, "site"), counted(0, "site"), counted(1500, "time step")
    ('1 site', '0 sites', '1500 time steps')
    """
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def names(text: Optional[str]) -> list[str]:
    """Return the items of a text separated by commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
