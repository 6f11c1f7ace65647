"""Taking a push in: quarantine, connect, judge, admit; and collecting what crashes leave behind."""
