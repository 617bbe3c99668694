#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run boot tests.

    run.py [-v] [--list] [--demo] [--all] [NAME...]

Without a name: those of make check, with --all also those of make check-all; first
those that share the host, then those that judge by time.
The last line is "N passed, N failed, N skipped"; the exit code is 0 when none
failed and at least one passed.
"""

import argparse
import os
import sys
import time
import traceback
from concurrent import futures

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from pkboot import demo, env, machine, scenario  # noqa: E402
from pkboot.result import BuildError, Failure, NotOurs, Skip  # noqa: E402


# Gaps in a row of frames that were looked at once more.
looks = 0


def out(text):
    print(text, flush=True)


def build_all(flavours):
    """Build one after the other, and say how long each took."""
    for flavour in flavours:
        start = time.monotonic()
        try:
            env.kernel(flavour)
            out('built  %-20s %6.1f s' % (flavour, time.monotonic() - start))
        except BuildError as e:
            out('FAILED %-20s %6.1f s\n%s' %
                (flavour, time.monotonic() - start, e))


def build(scenarios):
    """All kernels first, so that a scenario's time is its own.

    Those that share nothing are built side by side, as linking leaves CPUs idle. The
    others begin as copies of the first of them."""
    flavours = list(dict.fromkeys(f for s in scenarios for f in s.flavours()))
    apart = [f for f in flavours if f in ('debug', 'faults', 'xfstests-debug')]
    alike = sorted((f for f in flavours if f not in apart), key=lambda f: f != 'release')
    try:
        env.source()
    except BuildError as e:
        out('FAILED %s' % e)
        return
    with futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(build_all, (alike, apart)))


def run_one(s, echo):
    """Run one scenario: ('passed' or the like, notes, reason); t.looks is counted."""
    global looks
    t = scenario.Test(s, echo)
    try:
        s.run(t)
        return 'passed', t.notes, ''
    except Skip as e:
        return 'skipped', t.notes, str(e)
    except NotOurs as e:
        return 'not ours', t.notes, str(e)
    except BuildError as e:
        return 'failed', t.notes, 'not built: ' + str(e).split('\n')[0]
    except Failure as e:
        return 'failed', t.notes, str(e)
    except Exception:           # noqa: B902 a broken scenario is a failure
        return 'failed', t.notes, traceback.format_exc()
    finally:
        looks += t.looks        # of one that is ALONE: no other thread counts
        t.end()


def run_timed(s, echo):
    """run_one(), once more after an end that is not ours; with the time it took."""
    start = time.monotonic() - getattr(machine.waited, 'seconds', 0)
    before = ''
    how, notes, why = run_one(s, echo)
    if how == 'not ours':
        before = why
        how, notes, why = run_one(s, echo)
        if how == 'not ours':
            how = 'failed'
    return (s, how, notes, why, before,
            time.monotonic() - getattr(machine.waited, 'seconds', 0) - start)


def results(scenarios, echo):
    """Run all; those that do not judge by time as many at a time as there are CPUs
    for, and first."""
    alone = [s for s in scenarios if s.ALONE]
    # Long ones first, as far as that is known, so that none is left over at the end.
    shared = sorted((s for s in scenarios if not s.ALONE), key=lambda s: -s.TIMEOUT)
    workers = 1 if echo else machine.SLOTS
    if workers > 1 and len(shared) > 1:
        with futures.ThreadPoolExecutor(workers) as pool:
            for f in futures.as_completed(
                    [pool.submit(run_timed, s, echo) for s in shared]):
                yield f.result()
    else:
        alone = shared + alone
    for s in alone:
        yield run_timed(s, echo)


def show_demo(s):
    """The live update to watch; its last line sums it up."""
    t = scenario.Test(s)
    build([s])
    try:
        demo.show(t, out)
    except (Failure, Skip) as e:
        out('FAILED: %s' % e)
        return 1
    finally:
        t.end()
    return 0


def where(s):
    """What runs it, where that is not make check."""
    if s.MANUAL:
        return ' (by its name only)'
    return '' if s.QUICK else ' (make check-all)'


def main():
    p = argparse.ArgumentParser(description='Boot tests of pkernfs.')
    p.add_argument('-l', '--list', action='store_true')
    p.add_argument('-v', '--verbose', action='store_true',
                   help='show the consoles')
    p.add_argument('--all', action='store_true',
                   help='also those that make check leaves out')
    p.add_argument('--demo', action='store_true',
                   help='a live update to watch')
    p.add_argument('names', nargs='*', metavar='NAME')
    args = p.parse_args()

    scenarios = scenario.load_all()
    if args.demo:
        return show_demo(*[s for s in scenarios if s.name == 'live-update'])
    if args.list:
        for s in scenarios:
            out('%-20s %s%s' % (s.name, s.summary, where(s)))
        return 0
    if args.names:
        known = {s.name: s for s in scenarios}
        wrong = [n for n in args.names if n not in known]
        if wrong:
            out('FAILED no such scenario: %s (make list)' % ', '.join(wrong))
            out('0 passed, %d failed, 0 skipped' % len(wrong))
            return 1
        scenarios = [known[n] for n in args.names]
    else:
        scenarios = [s for s in scenarios
                     if not s.MANUAL and (s.QUICK or args.all)]

    echo = None
    if args.verbose:
        def echo(now, text):
            out('%9.3f %s' % (now, text))

    machine.sweep()
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    retried = 0
    begin = time.monotonic()
    build(scenarios)
    built = time.monotonic()
    for s, how, notes, why, before, seconds in results(scenarios, echo):
        if before:
            out('       %-20s not for a reason of ours: %s; once more' % (s.name, before))
            retried += 1
        count[how] += 1
        out('%-6s %-20s %6.1f s%s' %
            ({'passed': 'ok', 'failed': 'FAILED', 'skipped': 'skip'}[how],
             s.name, seconds, '  ' + '; '.join(notes) if notes else ''))
        if why:
            out('       ' + why.replace('\n', '\n       '))
    if retried:
        out('%d run once more after an end that was not for a reason of ours' % retried)
    if looks:
        out('%d with a gap that two more looks had to show to be the host\'s' % looks)
    now = time.monotonic()
    out('%.0f s, of which %.0f s to build kernels' % (now - begin, built - begin))
    out('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % count)
    return 1 if count['failed'] or not count['passed'] else 0


if __name__ == '__main__':
    sys.exit(main())
