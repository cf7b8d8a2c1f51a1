"""Names, units and kinds: what the words of this field mean here."""

from .kinds import check_drivers, check_observations, check_samples
from .units import convert, period_unit, to_canonical
from .variables import VARIABLES, Variable, canonical_name, variable

__all__ = ["VARIABLES", "Variable", "canonical_name", "check_drivers", "check_observations",
           "check_samples", "convert", "period_unit", "to_canonical", "variable"]
