#!/usr/bin/env python3
"""How a mutant's patch is read and applied."""
import pathlib
import tempfile
import unittest

import mutant

HEADER = "mutant: one\nkind: forward\nwhat: it is wrong\nexpect: causal-leak, rows-mixed\n"
DIFF = """--- a/folder/file.cpp
+++ b/folder/file.cpp
@@ -2,3 +2,4 @@
 two
-three
+THREE
+and more
 four
@@ -7,2 +8,1 @@
 seven
-eight
"""
LINES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
CHANGED = ["one", "two", "THREE", "and more", "four", "five", "six", "seven", "nine"]


class Patches(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lookback mutant test ")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def read(self, text):
        path = self.folder / "one.patch"
        path.write_text(text)
        return mutant.read_mutant(path)

    def applied(self, lines):
        """The file's lines behind the patch, from an overlay."""
        source = self.folder / "sources" / "folder" / "file.cpp"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("\n".join(lines) + "\n")
        self.read(HEADER + "\n" + DIFF).write_into(self.folder / "overlay", source.parent.parent)
        self.assertEqual(source.read_text(), "\n".join(lines) + "\n")
        return (self.folder / "overlay" / "folder" / "file.cpp").read_text().splitlines()

    def test_change_the_lines_they_name(self):
        self.assertEqual(self.applied(LINES), CHANGED)

    def test_find_lines_that_have_moved_and_of_equal_ones_the_nearest(self):
        self.assertEqual(self.applied(["zero", *LINES]), ["zero", *CHANGED])
        twice = [*LINES, "a line", *LINES]
        self.assertEqual(self.applied(twice), [*CHANGED, "a line", *LINES])

    def test_do_not_fit_where_a_line_has_changed(self):
        with self.assertRaisesRegex(mutant.MutantError, "the lines from 7 on are no longer there"):
            self.applied([*LINES[:6], "SEVEN", *LINES[7:]])

    def test_say_what_is_expected(self):
        read = self.read(HEADER + "diagnose: --preset 'a b'\n\n" + DIFF)
        self.assertEqual(read.expect, ["causal-leak", "rows-mixed"])
        self.assertEqual(read.diagnose, ["--preset", "a b"])
        self.assertIsNone(read.train)

    def test_are_refused_with_a_header_that_nobody_reads(self):
        for header, message in ((HEADER + "expects: rows-mixed\n", "the header has the line"),
                                (HEADER.replace("kind: forward\n", ""), "the header lacks"),
                                (HEADER + "kind: data\n", "the header has the line")):
            with self.assertRaisesRegex(mutant.MutantError, message):
                self.read(header + "\n" + DIFF)
        with self.assertRaisesRegex(mutant.MutantError, "changes nothing"):
            self.read(HEADER)


if __name__ == "__main__":
    unittest.main()
