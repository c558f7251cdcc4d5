"""What a run answers: who played, who did best and by how much, and what to distrust. One block for every surface."""
