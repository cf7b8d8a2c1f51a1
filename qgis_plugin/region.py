"""Where to work: a drawn polygon, an extent or a polygon layer, handed on as one text or file."""

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProcessingException,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterGeometry,
)

from . import compat
from .texts import label, tr

GEOMETRY, EXTENT, LAYER = "REGION", "EXTENT", "REGION_LAYER"
_ORDER = "Used first: the polygon, then the extent, then the layer. All empty: the whole grid."
_CELLS = "Cells whose centre lies outside become nodata."


def definitions(param):
    """Return the three QGIS parameters of a record's one `region`."""
    geometry = QgsProcessingParameterGeometry(GEOMETRY, label(param) + tr(": polygon"), optional=True)
    geometry.setMetadata({"widget_wrapper": {"class": __package__ + ".widgets.PolygonWrapper"}})
    extent = QgsProcessingParameterExtent(EXTENT, label(param) + tr(": extent"), optional=True)
    layer = QgsProcessingParameterFeatureSource(
        LAYER, label(param) + tr(": polygon layer"), [compat.SOURCE_POLYGON], optional=True)
    for definition, text in (
            (geometry, "Draw a polygon on the map, or write WKT such as CRS=EPSG:4326;POLYGON((6 48,7 48,7 49,6 48))."),
            (extent, "A box: xmin,xmax,ymin,ymax [EPSG:4326]."),
            (layer, "A layer of polygons, or only the selected ones.")):
        definition.setHelp(" ".join(tr(part) for part in (text, _CELLS, _ORDER)))
    return [geometry, extent, layer]


def value(algorithm, parameters, context):
    """Return the region that was given as (text, None), (None, name of the layer parameter) or (None, None)."""
    geometry = algorithm.parameterAsGeometry(parameters, GEOMETRY, context)
    if parameters.get(GEOMETRY) not in (None, "") and not geometry.isNull():
        crs = algorithm.parameterAsGeometryCrs(parameters, GEOMETRY, context)
        return polygon_text(geometry, crs if crs.isValid() else project_crs(context)), None
    if parameters.get(EXTENT) not in (None, ""):
        extent = algorithm.parameterAsExtent(parameters, EXTENT, context)
        if extent.isNull() or extent.isEmpty():
            raise QgsProcessingException("The extent of the region is empty: {}".format(parameters[EXTENT]))
        crs = algorithm.parameterAsExtentCrs(parameters, EXTENT, context)
        return extent_text(extent, crs if crs.isValid() else project_crs(context)), None
    if parameters.get(LAYER) not in (None, ""):
        return None, LAYER
    return None, None


def project_crs(context):
    """Return the CRS of coordinates that were written without one: that of the project, else longitude and latitude."""
    project = context.project()
    if project is not None and project.crs().isValid():
        return project.crs()
    return QgsCoordinateReferenceSystem("EPSG:4326")


def polygon_text(geometry, crs):
    """Return a polygon as the library reads it."""
    if geometry.type() != compat.POLYGON:
        raise QgsProcessingException("The region is not a polygon: {}".format(geometry.asWkt(2)[:60]))
    flat = QgsGeometry(geometry.constGet().segmentize())
    flat.get().dropZValue()
    flat.get().dropMValue()
    return "CRS={};{}".format(crs.authid() or crs.toWkt(), flat.asWkt(12))


def extent_text(extent, crs):
    """Return a box as the library reads it, or a polygon where its CRS has no code."""
    if not crs.authid():
        return polygon_text(QgsGeometry.fromRect(extent), crs)
    numbers = (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
    return "{} [{}]".format(",".join(repr(float(number)) for number in numbers), crs.authid())
