"""RECO for QGIS: maps of ecosystem respiration, explained by their drivers, with trends."""


def classFactory(iface):
    """Return the plugin; QGIS calls this, with None as `iface` where there is no desktop."""
    from .plugin import RecoPlugin

    return RecoPlugin(iface)
