# SPDX-License-Identifier: GPL-2.0
"""How a scenario can end, other than well."""


class Failure(Exception):
    """What was tested is not as it should be."""


class BuildError(Failure):
    """Something could not be built. Never a skip."""


class Skip(Exception):
    """A tool that the scenario needs is not on this machine."""


class NotOurs(Failure):
    """The machine ended for a reason that cannot be ours: may be tried once more."""
