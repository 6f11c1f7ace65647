"""What goes into a pack: commits, trees and blobs that a client lacks."""
