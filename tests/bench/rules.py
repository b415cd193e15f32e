"""What rules cost: compiling a thousand, and decide() with a hundred beside an RSA-2048 verification of the same run."""
import json
import subprocess

import lab

COMPILE_MILLISECONDS = 100
DECIDE_VERIFICATIONS = 1 / 4


def bench_rules(arguments, results):
    subprocess.run(['ninja', '-C', str(lab.ROOT / 'build/release'), '--quiet', 'rules_bench'], check=True)
    told = json.loads(subprocess.run([str(lab.ROOT / 'build/release/rules_bench')], check=True, stdout=subprocess.PIPE).stdout)
    print(f'a verification {told["verification_micros"]:.2f} us, decide() {told["decide_100_rules_micros"]:.2f} us', flush=True)
    results.bound('rules: milliseconds to compile 1000', told['compile_1000_rules_ms'], COMPILE_MILLISECONDS, '{:.1f}')
    results.bound('rules: decide() with 100 of them / a verification', told['decide_in_verifications'], DECIDE_VERIFICATIONS)
