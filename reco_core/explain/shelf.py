"""Where the tables of trees stand: on the processor or a device of torch, kept as far as there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from ..device import obstacle
from ..models.tree_arrays import TreeArrays
from .shap_tables import Keep, TableExplainer
from .torch_tables import TorchTables, room_on

if TYPE_CHECKING:
    from ..models.base import Model

KERNELS = ""  # the place of tables that the compiled kernels look up
Tables = Union[TableExplainer, TorchTables]


class Shelf:
    """The tables of the trees of a fitted model, which must live as long as the shelf.

    Parameters
    ----------
    kept_bytes : int
        How much of the tables may be kept in memory for the next rows; on a GPU half of what is free there.
    device : str
        Of torch, for tables of any model; empty for where each model computes.
    """

    def __init__(self, kept_bytes: int = 0, device: str = "") -> None:
        self.device = device
        self._known: dict[tuple[int, str], Optional[Tables]] = {}
        self._keep = dict.fromkeys((KERNELS, "cpu"), Keep(kept_bytes))

    def place(self, model: Model) -> Optional[str]:
        """Return the device of torch where tables of a model are looked up, `KERNELS`, or None if nowhere."""
        if self.device or model.device == "cpu":
            return self.device
        return None if obstacle("torch") else model.device

    def tables(self, trees: Any, place: str) -> Optional[Tables]:
        """Return the tables of a booster or of `TreeArrays` at a place, or None if tables cannot hold them."""
        key = id(trees), place
        if key not in self._known:
            if place not in self._keep:
                self._keep[place] = Keep(room_on(place))
            of = TableExplainer.of_mean if isinstance(trees, TreeArrays) else TableExplainer.of
            tables = of(trees, self._keep[KERNELS] if place == KERNELS else None)
            self._known[key] = TorchTables(tables, place, self._keep[place]) if tables and place else tables
        return self._known[key]
