# pip install mmdb_writer==0.2.7 && python3 examples/console/places/databases.py
"""Writes the databases beside this file, for the tests, of addresses that are reserved for documentation."""

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

HERE = Path(__file__).parent
WHEN = 1_767_225_600  # a fixed time, so that the files stay the same

LOCAL = ["0.0.0.0/8", "10.0.0.0/8", "100.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16"]
LOCAL += ["172.0.0.0/8", "192.168.0.0/16", "fc00::/7", "fe80::/10"]


def names(en, **others):
    return {"names": {"en": en, **others}}


def write(file, kind, records, ip_version=6):
    writer = MMDBWriter(
        ip_version,
        database_type=kind,
        languages=["en"],
        description={"en": "test data of tower-curfew"},
        ipv4_compatible=ip_version == 6,
    )
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(HERE / file))
    # The writer knows only the present time: a record of eight bytes after its key.
    data = bytearray((HERE / file).read_bytes())
    at = data.rindex(b"build_epoch") + len(b"build_epoch")
    length = data[at] & 0x1F
    at += 2 if data[at] >> 5 == 0 else 1
    data[at : at + length] = WHEN.to_bytes(length, "big")
    (HERE / file).write_bytes(data)


write(
    "places.mmdb",
    "GeoLite2-City",
    {
        "203.0.113.0/24": {
            "city": names("Berlin", ja="ベルリン"),
            "country": {"iso_code": "DE", **names("Germany", de="Deutschland")},
            "location": {"latitude": 52.52, "longitude": 13.405},
            "postal": {"code": "10115"},
            "subdivisions": [{"iso_code": "BE", **names("Land Berlin")}],
        },
        "198.51.100.0/24": {"country": {"iso_code": "JP", **names("Japan")}},
        "192.0.2.0/26": {"city": names("Singapore"), "country": names("Singapore")},
        "192.0.2.64/26": {"city": names("a\tb\x1b[31m\r\n" + "Ünlong " * 300), "country": names("X")},
        "192.0.2.128/26": {"city": names(""), "country": {"names": {"de": "Nirgendwo"}}},
        "192.0.2.192/26": {"city": "Berlin", "country": 49},
        **{local: {"country": names("Nowhere")} for local in LOCAL},
        "2001:db8:1::/48": {"city": names("São Paulo"), "country": names("Brazil")},
    },
)
write(
    "networks.mmdb",
    "GeoLite2-ASN",
    {"203.0.113.0/24": {"autonomous_system_number": 64496}},
)
write(
    "places4.mmdb",
    "DBIP-Country-Lite",
    {"203.0.113.0/24": {"country": names("Germany")}},
    ip_version=4,
)
