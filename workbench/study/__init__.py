"""People who judge: a frozen study, its trials, raters' answers, and what they say beside evaluator and judges."""
