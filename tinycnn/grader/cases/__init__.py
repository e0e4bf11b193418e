"""The questions that every function is asked, each from a generator `<function>_cases`."""

from tinycnn.grader.cases.base import Case as Case
from tinycnn.grader.cases.others import *
from tinycnn.grader.cases.rows import *
from tinycnn.grader.cases.windows import *
