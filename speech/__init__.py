"""Speech: from sound to words, to turns, and to who speaks."""
