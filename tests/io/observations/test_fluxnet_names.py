"""What file names say, and which of many files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

import oneflux
from reco_core.errors import ConfigError
from reco_core.io.archives import Source
from reco_core.io.observations.fluxnet_names import choose_resolution, citation_of, drop_subsets, is_kin, recognise
from reco_core.io.observations.read import read_observations
from reco_core.vocabulary.ledger import ledger

MONTHS = oneflux.stamps("2003-01", 24, "MM")


def file(filename):
    """Return what a file name says."""
    return recognise(Source(Path(filename)))


def month_file(folder, filename=None):
    """Write a monthly file and return its path."""
    return oneflux.write(folder, oneflux.text(MONTHS, "MM"), filename or oneflux.name())


@pytest.mark.parametrize(("filename", "site", "resolution", "network"), [
    ("FLX_AT-Neu_FLUXNET2015_SUBSET_DD_2002-2012_1-4.csv.gz", "AT-Neu", "DD", "FLUXNET2015"),
    ("FLX_BE-Bra_FLUXNET2015_FULLSET_MM_1996-2020_beta-3.csv", "BE-Bra", "MM", "Warm Winter 2020"),
    ("AMF_CA-CF1_FLUXNET_FULLSET_MM_2007-2008_3-5.csv", "CA-CF1", "MM", "AmeriFlux"),
    ("ICOSETC_BE-Bra_FLUXNET_HH_L2.csv", "BE-Bra", "HH", "ICOS"),
    ("ICOSETC_DE-Tha_FLUXNET_HH_01.csv", "DE-Tha", "HH", "ICOS"),
    ("AMF_US-MMS_FLUXNET_FLUXMET_HR_1999-2023_v1.3_r1.csv", "US-MMS", "HR", "AmeriFlux"),
    ("ICOSETC_BE-Bra_FLUXNET_MM_L2.csv", "BE-Bra", "MM", "ICOS"),
    ("ICOSETC_FI-Hyy_FLUXNET_DD_INTERIM_L2.csv.gz", "FI-Hyy", "DD", "ICOS"),
    ("EUF_DE-Hai_FLUXNET_FULLSET_WW_2000-2020_1-4.csv", "DE-Hai", "WW", "European Fluxes"),
    ("FLX_BE-Bra_FLUXNET2015_FULLSET_DD_1996-2018_beta-3.csv", "BE-Bra", "DD", "Drought 2018"),
    ("TERN_AU-Tum_FLUXNET_SUBSET_YY_2001-2020_v1.csv", "AU-Tum", "YY", "OzFlux"),
    ("AMF_US-xAB_FLUXNET_FULLSET_HH_2017-2021_3-5.csv", "US-xAB", "HH", "AmeriFlux"),
    ("flx_us-Ha1_fluxnet2015_fullset_yy_1991-2012_1-4.CSV", "US-Ha1", "YY", "FLUXNET2015"),
])
def test_names_of_every_network_are_read(filename, site, resolution, network):
    """Site, resolution and network come from the file name."""
    found = file(filename)
    assert (found.site, found.resolution, found.network) == (site, resolution, network)


@pytest.mark.parametrize("filename", [
    "FLX_CH-Lae_FLUXNET2015_ERAI_DD_1989-2020_beta-3.csv.gz", "FLX_AT-Neu_FLUXNET2015_AUXMETEO_2002-2012_1-4.csv",
    "AMF_US-MMS_FLUXNET_ERA5_MM_1981-2025_v1.3_r1.csv", "AMF_US-MMS_FLUXNET_BIFVARINFO_MM_1999-2023_v1.3_r1.csv",
    "ICOSETC_BE-Bra_VARINFO_FLUXNET_HH_L2.csv", "ICOSETC_BE-Bra_METEO_L2.csv"])
def test_kin_without_fluxes_is_not_taken(filename):
    """ERA, AUX, BIF and variable-information files hold no fluxes."""
    assert file(filename) is None
    assert is_kin(Source(Path(filename)))


def test_folder_of_several_resolutions_asks(tmp_path):
    """auto refuses to guess; a choice takes those files."""
    month_file(tmp_path)
    times = oneflux.stamps("2003-01-01", 365, "DD")
    oneflux.write(tmp_path, oneflux.text(times, "DD"), oneflux.name(resolution="DD"))
    with pytest.raises(ConfigError, match=r"2 resolutions: DD \(1 files\), MM \(1 files\)"):
        read_observations(tmp_path)
    assert read_observations(tmp_path, resolution="DD").sizes["time"] == 365
    with pytest.raises(ConfigError, match="no file of resolution YY"):
        read_observations(tmp_path, resolution="YY")


def test_years_and_version_are_kept():
    """The version of a site's file stands in the record of what was read."""
    found = file("FLX_AT-Neu_FLUXNET2015_SUBSET_DD_2002-2012_1-4.csv.gz")
    assert (found.years, found.version, found.grouping) == ("2002-2012", "1-4", "SUBSET")
    assert file("ICOSETC_BE-Bra_FLUXNET_MM_L2.csv").version == "L2"


def test_each_network_has_its_citation():
    """What to cite depends on the network; networks of tables are known by the beginning of their name."""
    assert "10.18160/2G60-ZHAK" in file("FLX_BE-Bra_FLUXNET2015_FULLSET_MM_1996-2020_beta-3.csv").citation
    assert file("FLX_BE-Bra_FLUXNET2015_FULLSET_MM_1996-2014_1-3.csv").citation.count("doi:") == 1
    assert "site" in file("KOF_KR-Seo_FLUXNET_FULLSET_MM_2001-2004_1.csv").citation
    assert citation_of("fluxnet2015_subset") != ""
    assert citation_of("my own towers") == ""


def test_sites_may_differ_in_resolution():
    """Days of one site and months of another can be read together; days and months of one site cannot."""
    days, months = file(oneflux.name("AA-One", "DD")), file(oneflux.name("BB-Two", "MM"))
    assert choose_resolution([days, months], "auto") == [days, months]
    with pytest.raises(ConfigError, match="AA-One of FLUXNET2015 has several"):
        choose_resolution([days, months, file(oneflux.name("AA-One", "MM"))], "auto")


def test_files_of_another_resolution_are_told(tmp_path):
    """What a choice of resolution leaves aside stands in the ledger."""
    month_file(tmp_path)
    times = oneflux.stamps("2003-01-01", 365, "DD")
    oneflux.write(tmp_path, oneflux.text(times, "DD"), oneflux.name(resolution="DD"))
    found = {entry["reason"]: entry["count"] for entry in ledger(read_observations(tmp_path, resolution="MM"))}
    assert found["files ignored: another resolution"] == 1


def test_subset_gives_way_to_the_fullset_of_its_own_network():
    """The SUBSET of another network is another record."""
    full, subset = file(oneflux.name()), file(oneflux.name(grouping="SUBSET"))
    other = file("AMF_BE-Bra_FLUXNET_SUBSET_MM_2003-2004_3-5.csv")
    assert drop_subsets([full, subset, other]) == ([full, other], [subset])
