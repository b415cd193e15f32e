"""Builds a program with a planted bug beside the real one: only what the patch touches is compiled again.

Clang reads the patched files in place of the real ones through an overlay of its file system, so neither the tree nor its
build is changed, and it takes seconds: for ./dev fuzz --self-test and tests/tsan/planted.py.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


class DoesNotApply(Exception):
    """The patch and the tree have gone apart."""


def ninja(build, *arguments):
    return subprocess.run(['ninja', '-C', str(build), *arguments], check=True, stdout=subprocess.PIPE).stdout.decode()


def patched_files(patch, folder):
    """{real path: patched copy below `folder`}"""
    names = re.findall(r'^\+\+\+ b/(\S+)', patch.read_text(), re.M)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    # Not a repository as far as git can see, so that it takes the paths as they stand.
    outside = dict(os.environ, GIT_CEILING_DIRECTORIES=str(folder.parent))
    if not names or subprocess.run(['git', 'apply', str(patch)], cwd=folder, env=outside).returncode:
        raise DoesNotApply
    return {str(ROOT / name): str(folder / name) for name in names}


def touched_objects(build, files):
    """The objects that were compiled from one of the files, directly or by inclusion."""
    found, current = set(), ''
    for line in ninja(build, '-t', 'deps').splitlines():
        if not line.startswith(' '):
            current = line.split(':')[0]
        elif os.path.normpath(build / line.strip()) in files:
            found.add(current)
    return found


def plant(build, program, patch, folder):
    """Builds `program` of the build folder with the patch; returns the path of the new one, below `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    files = patched_files(patch, folder / 'tree')
    ninja(build, '--quiet', program)
    overlay = folder / 'overlay.json'
    overlay.write_text(json.dumps({'version': 0, 'use-external-names': False, 'roots': [
        {'name': name, 'type': 'file', 'external-contents': copy} for name, copy in files.items()]}))
    touched = touched_objects(build, files)
    commands = [shlex.split(line) for line in ninja(build, '-t', 'commands', program).splitlines()]
    objects = {}
    running = []
    for command in commands:
        output = command[command.index('-o') + 1] if '-o' in command else ''
        if '-c' not in command or output not in touched:
            continue
        compiler = next(at for at, word in enumerate(command) if word.endswith('clang++-19'))
        objects[output] = str(folder / f'{len(objects)}.o')
        again = [objects[output] if word == output else word for word in command[compiler:]]
        # Without its dependency file, which is of the real object; a guard taken out may leave something unused.
        again = [word for word in again if word != '-MD'] + ['-w', '-ivfsoverlay', str(overlay)]
        for option in ('-MT', '-MF'):
            at = again.index(option)
            del again[at:at + 2]
        running.append(subprocess.Popen(again, cwd=build))
    if not objects or any([one.wait() for one in running]):
        raise SystemExit(f'{patch.name}: nothing of {program} was compiled from what it patches, or not without errors')
    planted = folder / program
    link = commands[-1][commands[-1].index('&&') + 1:]
    link = [objects.pop(word, word) for word in link[:link.index('&&')]]
    at = link.index('-o')
    # Before the libraries: what they hold of these sources is then not asked for.
    subprocess.run([*link[:at], *objects.values(), '-o', str(planted), *link[at + 2:]], cwd=build, check=True)
    return planted
