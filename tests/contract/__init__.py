"""Claims about the order contract, and the corpus of broken and odd messages that every decoder must pass.

What this room is: the corpus and the strategies, for the exact judge and for whatever decodes faster.
What belongs here: messages as bytes with the verdict that the contract gives them, decided by hand.
What never does: a verdict taken from the code under test.
"""
