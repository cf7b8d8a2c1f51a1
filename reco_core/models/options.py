"""Settings of the tabular learners: names, limits, and what is meant where nothing is given."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Union

from ..errors import ConfigError

Value = Union[int, float, str, bool]


@dataclass(frozen=True)
class Option:
    """One setting: its usual value, its limits (a whole number where the usual value is one) and words it may be."""

    default: Value
    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()

    def read(self, name: str, value: Any) -> Value:
        """Return a value of the right kind.

        Raises
        ------
        ConfigError
            It is none of the words, no number, or out of range.
        """
        if str(value).strip().lower() in self.words:
            return str(value).strip().lower()
        wanted = f"a {'whole number' if self.whole else 'value'} from {self.low:g} to {self.high:g}"
        if self.words:
            wanted = f"{', '.join(self.words)}" + (f" or {wanted}" if self.high > self.low else "")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"The setting {name} is '{value}'", f"Give {wanted}") from None
        if not self.low <= number <= self.high or (self.whole and number != int(number)) or self.low == self.high:
            raise ConfigError(f"The setting {name} is {number:g}", f"Give {wanted}")
        return int(number) if self.whole else number

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense."""
        return isinstance(self.default, int)


SEARCH = Option("no", 0.0, 0.0, ("yes", "no"))


def read_options(given: Union[str, Mapping[str, Any], None], options: Mapping[str, Option],
                 model: str) -> dict[str, Value]:
    """Return all settings of a method, changed as given.

    Parameters
    ----------
    given : mapping or str, optional
        Names and values, or text such as "max_depth=6,n_estimators=200".
    options : mapping of name to Option
    model : str
        Name of the method, for messages.

    Raises
    ------
    ConfigError
        A name is unknown or given twice, or a value makes no sense.

    Examples
    --------
    >>> read_options("depth=3", {"depth": Option(8, 1, 64), "share": Option(0.4, 0.01, 1)}, "rf")
    {'depth': 3, 'share': 0.4}
    """
    settings = {name: option.default for name, option in options.items()}
    seen: set[str] = set()
    for name, value in _pairs(given, options, model):
        known = {key.lower(): key for key in options}.get(name.lower())
        if known is None:
            near = difflib.get_close_matches(name, options, n=1)
            raise ConfigError(f"The model {model} has no setting '{name}'",
                              f"Did you mean '{near[0]}'?" if near else "Settings: " + ", ".join(options))
        if known in seen:
            raise ConfigError(f"The setting '{name}' is given twice", "Keep one of them")
        seen.add(known)
        settings[known] = options[known].read(known, value)
    return settings


def _pairs(given: Union[str, Mapping[str, Any], None], options: Mapping[str, Option],
           model: str) -> list[tuple[str, Any]]:
    if not isinstance(given, str):
        return list((given or {}).items())
    parts = [part.partition("=") for part in given.split(",") if part.strip()]
    bare: Optional[str] = next((name.strip() for name, equals, _ in parts if not equals), None)
    if bare is not None:
        raise ConfigError(f"'{bare}' is no name=value pair (model {model})", "Settings: " + ", ".join(options))
    return [(name.strip(), value.strip()) for name, _, value in parts]
