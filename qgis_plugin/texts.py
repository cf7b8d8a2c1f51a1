"""Words for dialogs, made from the records of the catalogue."""

from html import escape

from qgis.PyQt.QtCore import QCoreApplication

UNNAMED = "Outputs that are not named, or temporary, are written into the output folder as"
FLUX_NAMES = "Soil and heterotrophic respiration are named rs.tif and rh.tif instead of reco.tif."


def tr(text):
    """Return the translation of a text."""
    return QCoreApplication.translate("RECO", text)


def label(param):
    """Return what stands before a widget: the title and the unit."""
    return "{} [{}]".format(tr(param.title), param.unit) if param.unit else tr(param.title)


def describe(param):
    """Return the help of one parameter: meaning, unit, default and range."""
    facts = []
    if param.unit:
        facts.append(tr("unit") + ": " + param.unit)
    if param.default is not None and param.default != "":
        shown = {True: "yes", False: "no"}.get(param.default, param.default) if param.kind == "flag" else param.default
        facts.append("{}: {}".format(tr("default"), shown))
    if param.minimum is not None and param.maximum is not None:
        facts.append("{}: {:g} {} {:g}".format(tr("range"), param.minimum, tr("to"), param.maximum))
    elif param.minimum is not None:
        facts.append("{} {:g}".format(tr("at least"), param.minimum))
    if param.kind == "choice":
        facts.append("{}: {}".format(tr("one of"), ", ".join(param.choices)))
    return tr(param.help) + (" ({})".format("; ".join(facts)) if facts else "")


def help_page(step):
    """Return the help of a step as HTML, made from its record."""
    parts = ["<p>{}</p>".format(escape(tr(step.summary)))]
    if step.help:
        parts.append("<p>{}</p>".format(escape(tr(step.help))))
    basic = [param for param in step.params if not param.advanced]
    advanced = [param for param in step.params if param.advanced]
    for title, params in ((tr("Inputs"), basic), (tr("Advanced"), advanced), (tr("Outputs"), step.outputs)):
        if params:
            rows = "".join("<li><b>{}</b>: {}</li>".format(escape(label(param)), escape(describe(param)))
                           for param in params)
            parts.append("<h3>{}</h3><ul>{}</ul>".format(title, rows))
    if has_folder(step):
        names = [output.filename.replace("{flux}", "reco") for output in step.outputs if output.filename]
        parts.append("<p>{}: {}. {}</p>".format(tr(UNNAMED), escape(", ".join(names)), tr(FLUX_NAMES)))
    return "".join(parts)


def has_folder(step):
    """Return whether a step writes everything that is not named into an output folder."""
    return any(output.kind == "folder_out" and output.name == "folder" for output in step.outputs)
