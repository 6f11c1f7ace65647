"""What is known of one tree, made into what would be found of a near one."""
