"""What stops training, release and evaluation for a reason that the user can mend."""


class TrainingError(Exception):
    """What was asked for cannot be done; the message is one sentence."""
