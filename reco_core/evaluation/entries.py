"""What takes part in a comparison: models, and the same models with other settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Sequence

from ..catalogue import MODELS as MODEL_NAMES
from ..errors import ConfigError
from ..models.ensemble import Recipe
from ..models.registry import make_model, model_class
from ..models.table import Table

HINT = ("Write model:settings, several separated by ';', for example "
        "\"causal_xgboost:robust,weights=uniform; boosters per class = causal_xgboost:per_class=yes; svr:C=10\"")
TRUE, FALSE = ("yes", "true", "1", "on"), ("no", "false", "0", "off")


@dataclass(frozen=True)
class Entry:
    """A model with its settings, under the label it has in tables and figures."""

    label: str
    recipe: Recipe

    def on(self, device: str) -> Entry:
        """Return the same, computed on a device."""
        return replace(self, recipe=replace(self.recipe, device=device))


def read_entries(models: Sequence[str], variants: Optional[str], base: Recipe) -> list[Entry]:
    """Return what is to be compared.

    Parameters
    ----------
    models : sequence of str
        Names of models, as they come.
    variants : str, optional
        More of them with settings, separated by semicolons: "model:settings", or "title = model:settings". Settings
        are those of the model, and besides `weights=...` and `per_class=yes`.
    base : Recipe
        What is the same for all.

    Raises
    ------
    ConfigError
        There is no such model or setting, or two have the same label.

    Examples
    --------
    >>> [entry.label for entry in read_entries(["rf"], "svr:C=10; wide net = bp_ann:hidden=32", Recipe())]
    ['rf', 'svr:C=10', 'wide net']
    """
    entries = [Entry(name, replace(base, name=name, settings=None)) for name in models]
    entries += [_variant(part, base) for part in _parts(variants or "")]
    seen: set[str] = set()
    for entry in entries:
        if entry.label in seen:
            raise ConfigError(f"'{entry.label}' takes part twice", "Keep one of them, or give it a title: "
                                                                   "title = model:settings")
        seen.add(entry.label)
        model_class(entry.recipe.name)
        if entry.recipe.settings is not None:
            make_model(entry.recipe.name, settings=entry.recipe.settings).all_settings()  # says what is misspelt
    return entries


def _parts(text: str) -> list[str]:
    """Return the variants of a text; a semicolon inside a list of names, as zones have them, is no end of one."""
    parts: list[str] = []
    for part in (part.strip() for part in text.split(";") if part.strip()):
        name = part.partition(":")[0].rpartition("=")[2].strip()
        if parts and ":" not in part and "=" in parts[-1].partition(":")[2] and name not in MODEL_NAMES:
            parts[-1] += f";{part}"
        else:
            parts.append(part)
    return parts


def _variant(text: str, base: Recipe) -> Entry:
    head, _, settings = text.partition(":")
    title, equals, name = head.partition("=")
    if not equals:
        title, name = text, head
    if not title.strip() or not name.strip():
        raise ConfigError(f"'{text}' in variants names no model", HINT)
    recipe = replace(base, name=name.strip(), settings=None)
    kept = []
    for part in (part.strip() for part in settings.split(",") if part.strip()):
        key, _, value = (word.strip() for word in part.partition("="))
        if key == "weights":
            recipe = replace(recipe, weights=value)
        elif key == "per_class":
            recipe = replace(recipe, per_class=_flag(value, text))
        else:
            kept.append(part)
    return Entry(title.strip(), replace(recipe, settings=",".join(kept) or None))


def _flag(value: str, text: str) -> bool:
    if value.lower() not in TRUE + FALSE:
        raise ConfigError(f"per_class is '{value}' in '{text}'", "Write per_class=yes or per_class=no")
    return value.lower() in TRUE


def unusable(entry: Entry, table: Table) -> str:
    """Return in words why a model cannot be used with these drivers, or nothing.

    Raises
    ------
    ConfigError
        It could be used but for its settings.
    """
    model = entry.recipe.model(table)
    lacking = model.lacking(table.features)
    if lacking:
        return "needs " + " and ".join(lacking)
    try:
        model.check(table.features)
    except ConfigError as error:
        if entry.recipe.settings is None:
            return error.message
        plain = replace(entry.recipe, settings=None).model(table)
        try:
            plain.check(table.features)
        except ConfigError as other:
            return other.message
        raise
    return ""
