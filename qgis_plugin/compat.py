"""Names that QGIS spells differently from 3.22 to 4.x: new place first, old place second."""

from qgis.core import (
    Qgis,
    QgsFields,
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsRasterFileWriter,
    QgsRasterLayerTemporalProperties,
    QgsWkbTypes,
)


def first(*spellings):
    """Return what the first spelling that this QGIS knows gives."""
    for spelling in spellings:
        try:
            return spelling()
        except AttributeError:
            continue
    raise AttributeError("this version of QGIS is not supported")


ADVANCED = first(lambda: Qgis.ProcessingParameterFlag.Advanced,
                 lambda: QgsProcessingParameterDefinition.FlagAdvanced)
OPTIONAL = first(lambda: Qgis.ProcessingParameterFlag.Optional,
                 lambda: QgsProcessingParameterDefinition.FlagOptional)
INTEGER = first(lambda: Qgis.ProcessingNumberParameterType.Integer,
                lambda: QgsProcessingParameterNumber.Integer)
DOUBLE = first(lambda: Qgis.ProcessingNumberParameterType.Double,
               lambda: QgsProcessingParameterNumber.Double)
FILE = first(lambda: Qgis.ProcessingFileParameterBehavior.File,
             lambda: QgsProcessingParameterFile.File)
FOLDER = first(lambda: Qgis.ProcessingFileParameterBehavior.Folder,
               lambda: QgsProcessingParameterFile.Folder)
SOURCE_POINT = first(lambda: Qgis.ProcessingSourceType.VectorPoint,
                     lambda: QgsProcessing.TypeVectorPoint)
SOURCE_POLYGON = first(lambda: Qgis.ProcessingSourceType.VectorPolygon,
                       lambda: QgsProcessing.TypeVectorPolygon)
SOURCE_RASTER = first(lambda: Qgis.ProcessingSourceType.Raster,
                      lambda: QgsProcessing.TypeRaster)
POLYGON = first(lambda: Qgis.GeometryType.Polygon, lambda: QgsWkbTypes.PolygonGeometry)
RASTER_LAYER = first(lambda: Qgis.LayerType.Raster, lambda: QgsMapLayer.LayerType.RasterLayer,
                     lambda: QgsMapLayer.RasterLayer)
COMPUTED_FIELD = first(lambda: Qgis.FieldOrigin.Expression, lambda: QgsFields.OriginExpression)
RASTER_WRITTEN = first(lambda: Qgis.RasterFileWriterResult.Success, lambda: QgsRasterFileWriter.NoError)
FIXED_RANGE_PER_BAND = getattr(getattr(Qgis, "RasterTemporalMode", None), "FixedRangePerBand", None)  # QGIS >= 3.38
FIXED_RANGE = first(lambda: Qgis.RasterTemporalMode.FixedTemporalRange,
                    lambda: QgsRasterLayerTemporalProperties.ModeFixedTemporalRange)
