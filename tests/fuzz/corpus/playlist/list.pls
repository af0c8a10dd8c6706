[playlist]
File2=b ü.flac
Title2=Two
Length2=-1
File1=a.wav
NumberOfEntries=2
Version=2
