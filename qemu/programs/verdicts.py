# SPDX-License-Identifier: GPL-2.0
#
# Runs every Nth class of some of CPython's own test modules, from the Kth on, and writes a line
# of JSON for each test: its name, its verdict, and why.
#
#   python3 verdicts.py FILE K N MODULE…

import errno
import gc
import json
import sys
import unittest
from test import support

# As without -u: nothing that wants another machine, or much time.
support.use_resources = {}


class Verdicts(unittest.TestResult):
    last = None

    def startTest(self, test):
        """
        Keeps what is there before the first test of a class from the collector. asyncio's
        tests have it look for garbage 2,000 times: in all that the modules have loaded, that
        takes twice as long as the tests.
        """
        super().startTest(test)
        if type(test) is not self.last:
            self.last = type(test)
            gc.collect()
            gc.freeze()

    def say(self, test, verdict, why=""):
        # A test with subtests fails as often as they do; once is enough.
        if test.id() not in said:
            said.add(test.id())
            print(json.dumps([test.id(), verdict, why]), file=out, flush=True)

    def addSuccess(self, test):
        self.say(test, "passed")

    def addExpectedFailure(self, test, err):
        self.say(test, "passed")

    def addUnexpectedSuccess(self, test):
        self.say(test, "failed", "unexpected success")

    def addSkip(self, test, reason):
        self.say(test, "skipped", reason)

    def addFailure(self, test, err):
        if getattr(err[1], "errno", None) == errno.EPROTONOSUPPORT:
            # UDP-Lite, for one, which Linux 7.2 no longer has.
            return self.say(test, "skipped", str(err[1]))
        self.say(test, "failed", f"{err[0].__name__}: {err[1]}")

    def addError(self, test, err):
        self.addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(test, err)


def classes(suite):
    """The suites of which each has the tests of a class, and no other suite."""
    tests = [it for it in suite if not isinstance(it, unittest.TestSuite)]
    inner = [it for it in suite if isinstance(it, unittest.TestSuite)]
    own = [unittest.TestSuite(tests)] if tests else []
    return own + [one for it in inner for one in classes(it)]


if __name__ == "__main__":
    file, first, step, *modules = sys.argv[1:]
    suites = classes(unittest.defaultTestLoader.loadTestsFromNames(modules))
    said = set()
    with open(file, "w") as out:
        unittest.TestSuite(suites[int(first) :: int(step)]).run(Verdicts())
