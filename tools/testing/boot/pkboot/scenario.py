# SPDX-License-Identifier: GPL-2.0
"""Scenarios: files that say what they need, and the object they are run with."""

import difflib
import importlib.util
import os
import subprocess

from . import env, machine
from .result import Failure, Skip

# What a scenario may declare, and what it means if neither it does nor the module
# that it names as LIKE.
DEFAULTS = {
    'KERNEL': 'debug',      # flavour of the kernel; None: no machine at all
    'K2_KERNEL': None,      # flavour that is started by kexec; None: the same.
                            # FLAVOUR@other: of the source that OTHER names
    'MEMORY': '1G',
    'NODES': 1,             # NUMA nodes, each with the same share of it
    'FIRMWARE': None,       # 'efi': OVMF; None: QEMU's own BIOS
    'DEVICES': (),          # QEMU arguments; {tmp} is the machine's own folder
    'NEEDS': (),            # devices that not every QEMU has: a skip without them
    'QEMU': None,           # name of a variable of the environment with the path of the
                            # QEMU that it wants: a skip without it. None: that of PATH
    'PKERNFS': None,        # value of pkernfs=
    'IOMMU': 'intremap=on', # properties of QEMU's intel-iommu
    'APPEND': '',           # more for the command line of the first kernel
    'K2_APPEND': '',        # more for those that follow
    'KUNIT': False,         # let the KUnit suites run at boot
    'STAGES': 1,            # kernels started, one by the machine, others by kexec
    'IMAGES': None,         # for so many of them the next one's image is in the initrd;
                            # None: for all. The guest has to keep it for others.
    'REBOOTS': False,       # a reset starts the machine anew and does not end it
    'FILES': (),            # more files for the guest, or a function that tells
    'TRACE': (),            # QEMU trace events
    'IGNORE': (),           # console lines that are no faults here
    'TIMEOUT': 60,          # seconds, of one machine that has the host for itself
    'ALONE': False,         # judges by time: nothing else runs beside it
    'QUICK': True,     # False: in make check-all only, not in make check
    'MANUAL': False,        # takes too long for either: by its name only
    'GUEST': None,          # the guest's side: stage1() { ... }; stage2() ...
}


# VARIANTS = {name: {what it declares otherwise}}: the scenario once more, under
# the name SCENARIO-name. APPEND is added to, all else replaced.


class Scenario:
    def __init__(self, path, variant=None):
        self.name = os.path.splitext(os.path.basename(path))[0]
        spec = importlib.util.spec_from_file_location(
            'scenario_' + self.name.replace('-', '_'), path)
        mod = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(mod)
        self.module = mod
        self.summary = (mod.__doc__ or '').strip().split('\n')[0]
        like = getattr(mod, 'LIKE', None)
        for key, value in DEFAULTS.items():
            setattr(self, key, getattr(mod, key, getattr(like, key, value)))
        for key in vars(mod):
            close = difflib.get_close_matches(key, DEFAULTS, 1, 0.8)
            if key.isupper() and key not in (*DEFAULTS, 'LIKE', 'VARIANTS') and close:
                raise Failure('%s declares %s: is %s meant?' % (path, key, close[0]))
        self.variants = getattr(mod, 'VARIANTS', {})
        if variant:
            self.name += '-' + variant
            self.summary += ' [%s]' % variant
            for key, value in self.variants[variant].items():
                if key not in DEFAULTS:
                    raise Failure('%s: %s declares %s' % (path, variant, key))
                if key == 'APPEND':
                    value = ('%s %s' % (self.APPEND, value)).strip()
                setattr(self, key, value)

    def flavours(self):
        return [f for f in (self.KERNEL, self.K2_KERNEL) if f]

    def run(self, t):
        if hasattr(self.module, 'run'):
            self.module.run(t)
        else:
            t.machine().start().finish()


class Test:
    """What a scenario's run(t) is given."""

    def __init__(self, scenario, echo=None):
        self.s = scenario
        self.dir = os.path.join(env.OUT, scenario.name)
        self.notes = []
        self.looks = 0          # gaps that may be the host's, looked at once more
        self.echo = echo
        self._machines = []
        self._procs = []
        os.makedirs(self.dir, exist_ok=True)
        for f in os.listdir(self.dir):
            os.remove(os.path.join(self.dir, f))

    def machine(self, name='vm', **over):
        """A machine as the scenario declares it; arguments override, in lower case."""
        s = self.s

        def get(key):
            return over.pop(key.lower(), getattr(s, key))

        for device in get('NEEDS'):
            if not env.qemu_has(device):
                raise Skip('this QEMU has no device "%s"' % device)
        qemu = env.qemu(get('QEMU'))
        kernel, k2_kernel = get('KERNEL'), get('K2_KERNEL')
        stages = get('STAGES')
        pkernfs, append = get('PKERNFS'), get('APPEND')
        if pkernfs:
            append = ('pkernfs=%s %s' % (pkernfs, append)).strip()
        files = get('FILES')
        files = files() if callable(files) else files
        m = machine.Machine(
            self.dir, name, qemu=qemu, kernel=env.kernel(kernel), script=get('GUEST'),
            memory=get('MEMORY'), nodes=get('NODES'), devices=get('DEVICES'), append=append,
            stages=stages, images=get('IMAGES'), files=files, k2_append=get('K2_APPEND'),
            k2_kernel=env.next_kernel(k2_kernel or kernel) if stages > 1 else None,
            kunit=get('KUNIT'), iommu=get('IOMMU'), reboots=get('REBOOTS'), trace=get('TRACE'),
            ignore=get('IGNORE'), timeout=get('TIMEOUT'), alone=get('ALONE'),
            firmware=env.firmware(get('FIRMWARE')), echo=self.echo, **over)
        self._machines.append(m)
        return m

    def note(self, text):
        """A measured value or the like; printed with the result."""
        self.notes.append(text)

    def skip(self, reason):
        raise Skip(reason)

    def check(self, cond, text):
        if not cond:
            raise Failure(text)

    def command(self, argv):
        """A host command that must succeed; returns its output."""
        p = subprocess.run(argv, cwd=env.REPO, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           universal_newlines=True)
        with open(os.path.join(self.dir, 'output.log'), 'a') as f:
            f.write('$ %s\n%s' % (' '.join(argv), p.stdout))
        if p.returncode:
            last = p.stdout.strip().split('\n')[-1]
            raise Failure('%s: exit code %d: %s' % (argv[0], p.returncode, last))
        return p.stdout

    def spawn(self, argv, log):
        """A host program beside the machine; ended with the scenario."""
        with open(os.path.join(self.dir, log), 'w') as out:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT,
                                 preexec_fn=machine.die_with_parent)
        self._procs.append(p)
        return p

    def end(self):
        for m in self._machines:
            m.stop()
        for p in self._procs:
            if p.poll() is None:
                p.kill()
            p.wait()


class Broken:
    """Stands for a scenario file that cannot be loaded: it fails."""

    ALONE = MANUAL = False
    QUICK = True
    TIMEOUT = 0

    def __init__(self, path, error):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.summary = 'cannot be loaded: %s' % error
        self.error = error

    def flavours(self):
        return []

    def run(self, t):
        raise Failure(self.summary)


def load_all():
    folder = os.path.join(env.BOOT, 'scenarios')
    found = []
    for f in sorted(os.listdir(folder)):
        if not f.endswith('.py'):
            continue
        path = os.path.join(folder, f)
        try:
            found.append(Scenario(path))
            found += [Scenario(path, v) for v in found[-1].variants]
        except Exception as e:      # noqa: B902 whatever is wrong with it
            found.append(Broken(path, e))
    return found
