"""The families of tasks, one file each; each class is one concrete job of one invented company."""
