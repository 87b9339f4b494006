"""Every stack of one frozen backbone behind one HTTP address."""
