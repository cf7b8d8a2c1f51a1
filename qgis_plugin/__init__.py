"""RECO for QGIS: maps of ecosystem respiration, explained by their drivers, with trends."""


def classFactory(iface):  # noqa: N802 - the name that QGIS calls
    """Return the plugin; QGIS calls this, with None as `iface` where there is no desktop."""
    from .plugin import RecoPlugin

    return RecoPlugin(iface)
