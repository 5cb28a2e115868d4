"""The command line with trials that train nothing, whose processes start without torch in half the processor time.

``python -m tests.orchestrator.toy_command_line launch STUDY.yaml``, and so on.
"""

from orchestrator import cli, study

if __name__ == "__main__":
    for verb in (study.launch, study.resume):
        verb.__kwdefaults__ = {**(verb.__kwdefaults__ or {}), "run": "tests.orchestrator.runs:slow"}
    cli.main()
