"""Steps that derive drivers from others: indices, smooth series, phenology, water balance, soil, season."""

from __future__ import annotations

from .common import GRID_PARAMS, GROUP_DERIVE, MEMORY, PERIOD, REGION, cube_outputs, picker
from .records import Param, Step

WHERE = (PERIOD, REGION, MEMORY)
CHOSEN = Param(
    "chosen", "text", "Drivers to work on",
    "Names of the drivers to work on, separated by commas. Empty: every driver with dates.", optional=True)

DERIVE_STEPS = (
    Step(
        "aggregate", "Aggregate drivers in time", GROUP_DERIVE,
        "Make 8-day, monthly or annual drivers from finer ones: sums, means or medians, each where it belongs.",
        params=(
            *GRID_PARAMS, CHOSEN,
            Param("to", "choice", "Time step", "Time step of the result.", default="month",
                  choices=("8day", "16day", "month", "year")),
            Param("method", "choice", "Method",
                  "auto takes the mean of rates and states, the median of vegetation indices and reflectances, and the "
                  "most frequent class; sum adds up the amounts of each step.",
                  default="auto", choices=("auto", "mean", "median", "sum", "min", "max")),
            Param("belongs", "choice", "Composites over two months",
                  "Where a composite of several days belongs that reaches into two steps of the result: middle puts "
                  "it into that of its middle day, share splits it by days (not for medians).",
                  default="middle", choices=("middle", "share"), advanced=True),
            Param("least_share", "number", "Least share of valid steps",
                  "A result needs at least this share of the steps inside it.", default=0.2, minimum=0, maximum=1,
                  advanced=True),
            *WHERE),
        outputs=cube_outputs("Aggregated drivers", "aggregated.zarr"),
        tags=("composite", "monthly", "8-day", "median")),
    Step(
        "derive_indices", "Vegetation and water indices", GROUP_DERIVE,
        "EVI, NDVI, NIRv and LSWI from surface reflectance.",
        params=(
            *GRID_PARAMS,
            picker("red", "Red reflectance"), picker("nir", "Near-infrared reflectance"),
            picker("blue", "Blue reflectance"), picker("swir", "Shortwave-infrared reflectance"),
            Param("indices", "choices", "Indices",
                  "Which indices to compute; each needs its bands: evi red, nir and blue (without blue the two-band "
                  "form, and the output says so), ndvi and nirv red and nir, lswi nir and swir.",
                  default=("evi", "ndvi", "nirv", "lswi"), choices=("evi", "ndvi", "nirv", "lswi")),
            Param("nirv_soil", "number", "Soil offset of NIRv", "Subtracted from NDVI in NIRv; 0.08 is often used.",
                  default=0.0, minimum=0, maximum=0.5, advanced=True),
            *WHERE),
        outputs=cube_outputs("Indices", "indices.zarr"),
        tags=("evi", "ndvi", "nirv", "lswi", "reflectance")),
    Step(
        "smooth", "Smooth a vegetation series", GROUP_DERIVE,
        "Upper envelope of noisy daily, 8-day, 16-day or monthly series: Savitzky-Golay or one double logistic a year.",
        params=(
            *GRID_PARAMS, CHOSEN,
            Param("method", "choice", "Method",
                  "savitzky_golay is the upper envelope of Chen et al. 2004; double_logistic fits one season a year "
                  "as TIMESAT does and falls back to savitzky_golay where it cannot; linear only fills gaps.",
                  default="savitzky_golay", choices=("savitzky_golay", "double_logistic", "linear")),
            picker("quality", "Quality weights",
                   "Raster series with weights from 0 (bad) to 1 (good), a band per time step. Empty: values count "
                   "fully and gaps not at all."),
            Param("half_window", "integer", "Half window", "Half the window of the envelope, in time steps.",
                  default=4, minimum=1, maximum=50, advanced=True),
            Param("degree", "integer", "Degree", "Degree of the polynomial of the envelope.", default=6, minimum=1,
                  maximum=9, advanced=True),
            Param("trend", "choice", "Choice of the trend",
                  "How the filter of the first trend line (half window 3 to 7, degree 2 to 4) is chosen for each "
                  "pixel: left_out by its error at values that it does not see, which tells clouds from the season; "
                  "residual by its error at all values, as published, which nearly always takes the narrowest.",
                  default="left_out", choices=("left_out", "residual"), advanced=True),
            Param("longest_gap", "integer", "Longest gap",
                  "Where a gap is longer, in days, every year that it reaches into stays missing; at both ends of the "
                  "series half of that.", default=120, minimum=1, maximum=366, unit="d", advanced=True),
            Param("daily", "flag", "Daily result",
                  "Interpolate the smooth series to days (monotone cubic). Daily series become 8-day "
                  "medians before they are smoothed, and stay so without this.", default=False),
            *WHERE),
        outputs=cube_outputs("Smooth series", "smooth.zarr"),
        tags=("savitzky-golay", "timesat", "double logistic", "envelope", "gap filling")),
    Step(
        "derive_phenology", "Phenology of a vegetation series", GROUP_DERIVE,
        "Nine variables of each pixel and year that describe the yearly curve of a vegetation index (SCVTG).",
        params=(
            *GRID_PARAMS,
            Param("index", "text", "Index", "Name of the vegetation index in the driver cube.", default="nirv"),
            picker("index", "Vegetation index"),
            Param("method", "choice", "Smoothing",
                  "How the series is smoothed before; none where it is smooth already.",
                  default="savitzky_golay", choices=("savitzky_golay", "double_logistic", "none")),
            Param("window", "choice", "Year",
                  "calendar takes 1 January to 31 December; season takes twelve months around the mean peak of the "
                  "pixel, which is right on the southern hemisphere too; there the calendar year swaps the lengths "
                  "of the 75 % and 25 % levels.",
                  default="season", choices=("season", "calendar")),
            Param("tail", "number", "Share of top and bottom",
                  "Share of the days that make the yearly top and bottom.", default=0.05, minimum=0.001, maximum=0.5,
                  advanced=True),
            *WHERE),
        outputs=cube_outputs("Annual phenology", "phenology.zarr"),
        tags=("scvtg", "season", "length", "nirv")),
    Step(
        "derive_annual", "Annual statistics", GROUP_DERIVE,
        "Least, mean and largest value of each calendar year, as drivers of every time step or year.",
        params=(
            *GRID_PARAMS, CHOSEN,
            Param("statistics", "choices", "Statistics", "What to compute of each year.",
                  default=("min", "mean", "max"), choices=("min", "mean", "max")),
            Param("every_step", "flag", "Repeat for every time step",
                  "Give each time step the value of its year, so that it joins the drivers it was made from.",
                  default=True),
            Param("least_share", "number", "Least share of valid steps",
                  "A year needs at least this share of its time steps.", default=0.8, minimum=0, maximum=1,
                  advanced=True),
            *WHERE),
        outputs=cube_outputs("Annual statistics", "annual.zarr"),
        tags=("minimum", "maximum", "mean")),
    Step(
        "derive_season", "Season of the year", GROUP_DERIVE,
        "Sine of the day of year, its sine and cosine pair, day length and absolute latitude on a grid.",
        params=(
            *GRID_PARAMS,
            Param("variables_made", "choices", "Drivers to make",
                  "doy_sin is sin(pi * DOY / 365), largest in mid-year; season_sin and season_cos are a full circle; "
                  "day_length in hours; latitude_abs in degrees.",
                  default=("doy_sin",),
                  choices=("doy_sin", "season_sin", "season_cos", "day_length", "latitude_abs")),
            Param("shift_south", "flag", "Shift the southern hemisphere",
                  "Move the day of year by half a year south of the equator.", default=False, advanced=True),
            *WHERE),
        outputs=cube_outputs("Season", "season.zarr"),
        tags=("day of year", "doy", "day length")),
    Step(
        "derive_soil", "Soil carbon density and texture", GROUP_DERIVE,
        "Soil organic carbon density from carbon, bulk density and gravel; texture class from clay, silt and sand.",
        params=(
            *GRID_PARAMS,
            picker("oc", "Organic carbon"), picker("bulk_density", "Bulk density"), picker("gravel", "Gravel"),
            picker("clay", "Clay"), picker("silt", "Silt"), picker("sand", "Sand"),
            Param("thickness", "number", "Thickness of the layer", "Depth that the density is summed over.",
                  default=0.3, minimum=0.01, maximum=5, unit="m"),
            REGION, MEMORY),
        outputs=cube_outputs("Soil drivers", "soil.zarr"),
        tags=("socd", "hwsd", "clay", "silt", "sand")),
    Step(
        "derive_pet", "Potential evapotranspiration", GROUP_DERIVE,
        "PET after Thornthwaite, Hargreaves or Penman-Monteith (FAO56), in mm per day.",
        params=(
            *GRID_PARAMS,
            Param("method", "choice", "Method",
                  "thornthwaite needs ta (monthly); hargreaves tmin and tmax; penman_monteith tmin, tmax, wind, "
                  "radiation (net_rad or sw_in), humidity (ea or vpd), and elevation or pa.",
                  default="thornthwaite", choices=("thornthwaite", "hargreaves", "penman_monteith")),
            picker("ta", "Air temperature"), picker("tmin", "Minimum air temperature"),
            picker("tmax", "Maximum air temperature"), picker("wind", "Wind speed"),
            picker("sw_in", "Incoming shortwave radiation"), picker("net_rad", "Net radiation"),
            picker("ea", "Vapour pressure"),
            picker("vpd", "Vapour pressure deficit"), picker("pa", "Air pressure"),
            picker("elevation", "Elevation", "Raster with the elevation, instead of 'elevation' in the driver cube."),
            Param("wind_height", "number", "Height of the wind", "Height above ground that wind speed is given for.",
                  default=2.0, minimum=0.5, maximum=200, unit="m", advanced=True),
            *WHERE),
        outputs=cube_outputs("Potential evapotranspiration", "pet.zarr"),
        tags=("evapotranspiration", "thornthwaite", "hargreaves", "penman", "fao56")),
    Step(
        "derive_spei", "Drought index (SPEI, SPI)", GROUP_DERIVE,
        "Standardised precipitation evapotranspiration index of monthly series at any time scale.",
        params=(
            *GRID_PARAMS,
            picker("precip", "Precipitation"), picker("pet", "Potential evapotranspiration"),
            Param("scales", "text", "Scales", "Months that are summed up, separated by commas, such as 12,24,36.",
                  default="12"),
            Param("index", "choice", "Index", "spei of precipitation less PET; spi of precipitation alone.",
                  default="spei", choices=("spei", "spi")),
            Param("distribution", "choice", "Distribution",
                  "log_logistic (for SPEI, as in the R package SPEI) or gamma. Empty choice auto: log_logistic for "
                  "spei, gamma for spi.", default="auto", choices=("auto", "log_logistic", "gamma")),
            Param("calibration", "period", "Calibration period",
                  "Years that the distribution is fitted on, as FIRST/LAST. Empty: all.", optional=True),
            Param("clip", "number", "Largest value", "Values beyond are set to it.", default=8.0, minimum=1,
                  maximum=100, advanced=True),
            *WHERE),
        outputs=cube_outputs("Drought index", "spei.zarr"),
        tags=("spei", "spi", "drought", "water balance")),
)
