"""Records that cannot be read, or were written by another version, stop no command: each is named, and they are counted."""
import json

from harness import Server, check, deliver, equal, plant, wait_until

RULES = '''
[thresholds]
junk = 5
reject = 8

[[rule]]
id = "bad"
when = 'mail.from == "bad@sender.test" and message.size > 1'
points = 9
'''
UNREADABLE = ('garbage', 'empty', 'of_no_version', 'nothing', 'truncated', 'newer', 'refusal')


def check_named(planted, result, what):
    """All that cannot be read, once each, and how many there are."""
    for kind in UNREADABLE:
        equal(result.stderr.count(planted[kind]), 1, f'{what}: how often {kind} {planted[kind]} is named in {result.stderr}')
    check(planted['version_1'] not in result.stderr, f'{what}: a record of version 1 is told to be damaged: {result.stderr}')


def check_commands(server, planted, good):
    """As they are with and without the server."""
    seven = f'{len(UNREADABLE)} records could not be read'
    for words in (['log'], ['log', '--json'], ['log', '--by', 'rule'], ['log', '--chart'], ['log', 'verdict:*'], ['suspects'],
                  ['suspects', '--json'], ['rules', 'hits'], ['rules', 'hits', '--json'], ['whatif'], ['whatif', 'from:*']):
        result = server.command(*words)
        check_named(planted, result, ' '.join(words))
        check(seven in result.stdout + result.stderr, f'{words}: not counted: {result.stderr}')
    ids = {record['id'] for record in server.log('-verdict:none')}
    equal(ids, good | {planted['version_1']}, 'what log shows')
    result = server.command('whatif', '--json', '--rules', 'rules')
    summary = json.loads(result.stdout.splitlines()[-1])['summary']
    equal((summary['unreadable'], summary['changed']), (len(UNREADABLE), 0), f'whatif: {summary}')
    check(all(json.loads(line)['code'] == 'corrupt' for line in result.stderr.splitlines()), result.stderr)
    # The story of each: what it is, or why it cannot be told.
    for kind in UNREADABLE:
        said = server.command('explain', planted[kind], check_code=None)
        check(said.returncode not in (0, -6, -11) and planted[kind] in said.stderr and not said.stdout, f'explain {kind}: {said}')
    old = server.explain(planted['version_1'])
    equal((old['id'], old['dns'] != []), (planted['version_1'], True), 'explain of version 1')
    check('The nearest flip' in server.command('explain', planted['version_1']).stdout, 'the story of version 1')
    # A decision that is whole, but for its evidence.
    story = server.command('explain', planted['without_evidence'])
    check(planted['without_evidence'] in story.stdout and 'evidence' in story.stderr, f'explain without evidence: {story}')
    check('evidence' in server.command('log', '--json').stderr, 'log --json says nothing of the evidence')
    proposal = json.loads(server.command('allow', '--from', planted['without_evidence'], '--json').stdout)
    equal(proposal['id'], planted['without_evidence'], 'allow')


def test_records_that_cannot_be_read_stop_no_command():
    with Server(rules=RULES) as server:
        good = {deliver(server).id, deliver(server, recipients=['nobody@example.test']).id, deliver(server, sender='bad@sender.test').id}
        wait_until(lambda: len(server.log('-verdict:none')) == 3, 'all are recorded')
        server.terminate()
        planted = json.loads(plant(server))
        check_commands(server, planted, good)
        server.start()
        check_commands(server, planted, good)
        # Mail goes on, and forgetting an address passes over them.
        equal(deliver(server).code, 250, 'new mail')
        server.command('forget', 'nobody@example.test')
        equal(server.command('log').returncode, 0, 'log')
