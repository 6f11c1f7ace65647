"""What the formats share: lines of JSON, a session being built, edits out of shells and patches."""
