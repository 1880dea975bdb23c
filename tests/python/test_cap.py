"""CAP goes through Vigie without loss, and the judge of it sees what is lost: cap_compare.py, with every other test."""

import json
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cap_compare

FILE = cap_compare.OWN_FILES / "crue-seine.xml"


class Judge(unittest.TestCase):
    def setUp(self):
        self.table = json.loads((Path(__file__).parent / "cap_permitted.json").read_text())

    def lost(self, given, exported):
        return cap_compare.lost(given, exported, cap_compare.Permitted(self.table))

    def test_sees_each_element_that_is_gone_or_says_something_else(self):
        given = FILE.read_bytes()
        self.assertEqual(self.lost(given, given), [])
        count = sum(1 for _ in ElementTree.fromstring(given).iter())
        for number in range(1, count):
            for change in ("gone", "other", "twice"):
                root = ElementTree.fromstring(given)
                parents = {child: parent for parent in root.iter() for child in parent}
                element = list(root.iter())[number]
                if change == "gone":
                    parents[element].remove(element)
                elif change == "other":
                    element.text = (element.text or "") + "x"
                else:
                    parents[element].append(element)
                with self.subTest(element=element.tag, change=change):
                    self.assertNotEqual(self.lost(given, ElementTree.tostring(root)), [])

    def test_sees_an_alert_that_is_gone(self):
        given = (cap_compare.OWN_FILES / "envelopes" / "atom-two.xml").read_bytes()
        self.assertNotEqual(self.lost(given, FILE.read_bytes()), [])

    def test_a_time_in_another_zone_is_a_loss(self):
        given = FILE.read_text(encoding="utf-8")
        for zone in ("Z", "+00:00", "-00:00"):
            other = given.replace("+02:00</sent>", f"{zone}</sent>").replace("+01:00</sent>", f"{zone}</sent>")
            self.assertNotEqual(other, given)
            self.assertNotEqual(self.lost(given.encode(), other.encode()), [])


class Files(unittest.TestCase):
    def test_every_valid_file_comes_back_equal(self):
        self.assertEqual(cap_compare.main([]), 0)


if __name__ == "__main__":
    unittest.main()
