"""The small world with more drivers, so that every method finds those it needs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from reco_core.vocabulary import variable
from small_world import small_drivers, small_samples

EXTRA = ("lst_day", "lst_day_mean", "evi", "evi_max", "lswi", "gpp", "precip", "swc", "lai_max")
EQUATIONS = {"q10": ("ta",), "lloyd_taylor": ("ta",), "arrhenius": ("ta",), "mmrt": ("ta",),
             "tpgpp": ("ta", "precip", "gpp"), "tpgpp_lai": ("ta", "precip", "gpp", "lai_max"),
             "jagermeyr_like": ("lst_day", "evi", "lst_day_mean", "evi_max"), "rersm_like": ("lst_day", "evi", "lswi"),
             "ge_like": ("lst_day", "evi", "lswi"), "lgs_like": ("lst_day", "gpp", "swc"),
             "tang2020": ("evi", "lswi", "lst_day")}
LEARNERS = {"rf": ("ta", "lai", "soc_0"), "svr": ("ta", "lai", "soc_0"), "bp_ann": ("ta", "lai", "soc_0"),
            "sae": ("ta", "lai", "soc_0"), "cnn_spei": ("ta", "lai", "soc_0"),
            "zonal_forest": ("ta", "lai", "soc_0"), "geoman": ("ta", "lai", "soc_0"),
            "reco_blend": ("ta", "lai", "soc_0")}
MODELS = {**EQUATIONS, **LEARNERS}
SETTINGS = {"tang2020": "type=alpine_meadow", "rf": "n_estimators=20", "bp_ann": "hidden=4,max_iter=50",
            "sae": "epochs=8,pretraining=2,layer1=8,layer2=6,layer3=4,learning_rate=0.02",
            "cnn_spei": "side=1,filters=8,steps=200", "geoman": "window=3,hidden=4,epochs=2",
            "reco_blend": "parts=squared,bias=no"}


def more(ta, lai, mean, most):
    """Return the further drivers of temperature [degC] and leaf area; `mean` and `most` are over time."""
    rain = 2.5 + 2.4 * np.sin(0.9 * ta + 3 * lai)  # follows neither
    evi = 0.6 * (1 - np.exp(-0.5 * lai))
    return {"lst_day": ta + 3.0, "lst_day_mean": mean(ta) + 3.0, "evi": evi, "evi_max": most(evi),
            "lswi": 0.6 * np.cos(0.37 * ta) - 0.1, "gpp": 3.5 * lai * np.clip((ta + 5) / 30, 0, 1), "precip": rain,
            "swc": 10 + 8 * rain, "lai_max": most(lai)}


def wide_samples(names=(), **options) -> xr.Dataset:
    """Return monthly samples of the small world with the drivers of these names besides its own, or with all."""
    ds = small_samples(**options)
    site = ds["site"].values

    def over(function):
        return lambda values: np.array([function(values[site == name]) for name in site])

    extra = more(ds["ta"].values, ds["lai"].values, over(np.mean), over(np.max))
    for name, values in extra.items():
        if name in (names or EXTRA):
            ds[name] = ("sample", values, {"units": variable(name).unit, "long_name": variable(name).long_name})
    features = [name for name in ("ta", "lai", "soc_0", *EXTRA) if name in ds and (not names or name in names)]
    return ds.assign_attrs(features=",".join(features))


def wide_drivers(**options) -> xr.Dataset:
    """Return the drivers of the small world with all others that methods need."""
    drivers = small_drivers(**options)
    ta, lai = drivers["ta"], drivers["lai"]
    found = more(ta, lai, lambda values: values.mean("time"), lambda values: values.max("time"))
    for name, values in found.items():
        attrs = {"units": variable(name).unit, "long_name": variable(name).long_name, "grid_mapping": "spatial_ref"}
        drivers[name] = values.astype("float32").assign_attrs(attrs)
    return drivers
