"""Small satellite files in the layouts of their producers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

TILE = 6371007.181 * math.pi / 18
NAMES = {"sur_refl_b01": "red", "sur_refl_b02": "nir", "sur_refl_b03": "blue", "sur_refl_b06": "swir"}
REFLECTANCE = {"scale_factor": 1e-4, "add_offset": 0.0, "_FillValue": -28672, "valid_range": [-100, 16000]}
STRUCT = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="{grid}"
\t\tXDim={width}
\t\tYDim={height}
\t\tUpperLeftPointMtrs=({left:.6f},{top:.6f})
\t\tLowerRightMtrs=({right:.6f},{bottom:.6f})
\t\tProjection={projection}
\t\tProjParams=({radius},0,0,0,0,0,0,0,86400,0,0,0,0)
\t\tSphereCode=-1
\t\tGridOrigin=HDFE_GD_UL
\t\tGROUP=Dimension
\t\tEND_GROUP=Dimension
\t\tGROUP=DataField
{fields}
\t\tEND_GROUP=DataField
\t\tGROUP=MergedFields
\t\tEND_GROUP=MergedFields
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
GROUP=PointStructure
END_GROUP=PointStructure
END
"""
FIELD = """\t\t\tOBJECT=DataField_{number}
\t\t\t\tDataFieldName="{name}"
\t\t\t\tDataType=DFNT_INT16
\t\t\t\tDimList=("YDim","XDim")
\t\t\tEND_OBJECT=DataField_{number}"""
CORE = """GROUP                  = INVENTORYMETADATA
    OBJECT                 = SHORTNAME
      NUM_VAL              = 1
      VALUE                = "{product}"
    END_OBJECT             = SHORTNAME
    OBJECT                 = LOCALGRANULEID
      NUM_VAL              = 1
      VALUE                = "{granule}"
    END_OBJECT             = LOCALGRANULEID
END_GROUP
"""


def corners(tile: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a MODIS tile (horizontal and vertical number) [m]."""
    left, top = (tile[0] - 18) * TILE, (9 - tile[1]) * TILE
    return left, top, left + TILE, top - TILE


def granule(folder: Path, layers, *, product: str = "MOD09A1", date: str = "2017193", tile=(18, 4), name: str = "",
            box=None, geographic: bool = False, struct: bool = True, compress: bool = True) -> Path:
    """Write an HDF4 granule as the MODIS processing does and return its path.

    `layers` holds for each name (array, attributes). `box` is left, top, right, bottom in the words of
    StructMetadata; by default that of the tile.
    """
    from pyhdf.SD import SD, SDC

    stem = f"{product}.A{date}.h{tile[0]:02d}v{tile[1]:02d}.061.2020001000000.hdf"
    path = folder / (name or stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    types = {"int8": SDC.INT8, "uint8": SDC.UINT8, "int16": SDC.INT16, "uint16": SDC.UINT16, "uint32": SDC.UINT32,
             "float32": SDC.FLOAT32}
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    left, top, right, bottom = box or corners(tile)
    height, width = next(iter(layers.values()))[0].shape
    if struct:
        fields = "\n".join(FIELD.format(number=i, name=key) for i, key in enumerate(layers, 1))
        text = STRUCT.format(grid=f"Grid_{product}", width=width, height=height, left=left, top=top, right=right,
                             bottom=bottom, fields=fields, radius=0 if geographic else 6371007.181,
                             projection="GCTP_GEO" if geographic else "GCTP_SNSOID")
        setattr(file, "StructMetadata.0", text)
        setattr(file, "CoreMetadata.0", CORE.format(product=product, granule=stem))
    for key, (array, attrs) in layers.items():
        data = file.create(key, types[str(array.dtype)], array.shape)
        if compress:
            data.setcompress(SDC.COMP_DEFLATE, 5)
        for word, value in attrs.items():
            _attribute(data, word, value, types[str(array.dtype)], SDC)
        data[:] = array
        data.endaccess()
    file.end()
    return path


def _attribute(data, word, value, kind, sdc) -> None:
    if word in ("_FillValue", "valid_range"):
        data.attr(word).set(kind, value)
    elif isinstance(value, float):
        data.attr(word).set(sdc.FLOAT64, value)
    else:
        setattr(data, word, value)


def reflectance(size: int = 12, seed: int = 0, state=None) -> dict:
    """Return layers of MOD09A1: reflectances as stored and state flags, clear unless given."""
    rng = np.random.default_rng(seed)
    layers = {f"sur_refl_b0{band}": (rng.integers(100, 5000, (size, size)).astype("int16"), REFLECTANCE)
              for band in range(1, 8)}
    flags = np.full((size, size), 8, dtype="uint16") if state is None else state
    return {**layers, "sur_refl_state_500m": (flags, {"_FillValue": 65535, "valid_range": [0, 57343]})}


def pixels(kind: str, value, size: int = 6, **attrs) -> tuple:
    """Return a layer of one value, or of given values, with its attributes."""
    array = np.full((size, size), value) if np.isscalar(value) else np.asarray(value)
    return array.astype(kind), attrs
