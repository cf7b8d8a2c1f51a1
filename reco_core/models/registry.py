"""The methods that can be fitted, by the names of the catalogue."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import ConfigError
from .base import Model

_CLASSES = {
    "causal_xgboost": ("causal_xgboost", "CausalXgboost"),
    "reco_blend": ("reco_blend", "RecoBlend"),
    "q10": ("semi_empirical", "Q10"),
    "lloyd_taylor": ("semi_empirical", "LloydTaylor"),
    "arrhenius": ("semi_empirical", "Arrhenius"),
    "mmrt": ("semi_empirical", "Mmrt"),
    "tpgpp": ("semi_empirical", "Tpgpp"),
    "tpgpp_lai": ("semi_empirical", "TpgppLai"),
    "jagermeyr_like": ("semi_empirical", "JagermeyrLike"),
    "rersm_like": ("semi_empirical", "RersmLike"),
    "ge_like": ("semi_empirical", "GeLike"),
    "lgs_like": ("semi_empirical", "LgsLike"),
    "tang2020": ("tang", "Tang2020"),
    "rf": ("random_forest", "RandomForest"),
    "svr": ("support_vectors", "SupportVectors"),
    "bp_ann": ("perceptron", "Perceptron"),
    "zonal_forest": ("zonal_forest", "ZonalForest"),
    "cnn_spei": ("cnn_spei", "CnnSpei"),
    "sae": ("stacked_autoencoder", "StackedAutoencoder"),
    "geoman": ("geoman", "Geoman"),
}


def model_class(name: str) -> type[Model]:
    """Return the class of a method.

    Raises
    ------
    ConfigError
        There is no such method.
    """
    if name not in _CLASSES:
        raise ConfigError(f"There is no model '{name}'", "Choose: " + ", ".join(_CLASSES))
    module, attribute = _CLASSES[name]
    return getattr(importlib.import_module(f".{module}", __package__), attribute)


def make_model(name: str, **options: Any) -> Model:
    """Return a model that is not fitted yet; for the options see `Model`."""
    return model_class(name)(**options)
