"""How good feedback is: wrong answers, made by hand and by machine, and right ones in many styles.

Reading order: `answers` (what is judged), `mutants` (machine-made answers), `judging` (what a message is
worth), `report` (the table), `command`.
"""
