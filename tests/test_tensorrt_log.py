import pytest

import tests.serve.backends.tensorrt.stand_in as trt
from trtbuild.tensorrt_log import log_of


def test_errors_are_kept_until_new_work_begins(capsys: pytest.CaptureFixture[str]) -> None:
    log = log_of(trt)
    assert (log.cause(), log.last()) == ("it says nothing", "it says nothing")
    log.logger.log(trt.ILogger.Severity.WARNING, "only a warning")
    log.logger.log(trt.ILogger.Severity.INTERNAL_ERROR, "the cause\nand more of it")
    log.logger.log(trt.ILogger.Severity.ERROR, "what came of it")
    assert (log.cause(), log.last()) == ("the cause", "what came of it")
    assert capsys.readouterr().err == "the cause\nand more of it\nwhat came of it\n"
    log.forget()
    assert log.said == []
